# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the page shows, from what was received and when."""

import dataclasses
from typing import Any

import pytest

from molmoact_ros.console.readings import (
    DISABLED,
    EXECUTING,
    HALTED,
    STOPPING,
    Answer,
    CameraReading,
    ExecutorReading,
    Graph,
    Snapshot,
)
from molmoact_ros.console.state import (
    HaltRequest,
    after_halt,
    age_text,
    executor_shown,
    followed_text,
    halt_view,
    instruction_shown,
    missing,
    picture_shown,
    policy_is_live,
    waiting_chunk,
)
from molmoact_ros.control import State

NOW = 1000.0
POLICY, EXECUTOR = "/molmoact_policy", "/molmoact_executor"


def reading(state: int = EXECUTING, age: float = 0.1, **changes: Any) -> ExecutorReading:
    status = ExecutorReading(
        state=state,
        reason="because",
        awaiting_approval=False,
        sequence=3,
        step=1,
        steps_remaining=7,
        loop_rate=100.0,
        loop_jitter=0.001,
        received=NOW - age,
    )
    return dataclasses.replace(status, **changes)


def answer(age: float = 0.1, **changes: Any) -> Answer:
    made = Answer(
        sequence=3,
        instruction="reach the red block",
        points=((1.0, 2.0), (3.0, 4.0)),
        size=(252, 252),
        drawn=False,
        problems=(),
        seconds=0.3,
        passes=20,
        tokens=200,
        confidence=0.9,
        received=NOW - age,
    )
    return dataclasses.replace(made, **changes)


def camera(age: float = 0.05, **changes: Any) -> CameraReading:
    made = CameraReading("/camera/image", 7, NOW - age, 0.02, 10.0, "")
    return dataclasses.replace(made, **changes)


def healthy(**changes: Any) -> Snapshot:
    made = Snapshot(
        now=NOW,
        watched_since=NOW - 60.0,
        graph=Graph(executors=1, policies=1, cameras=("/camera/image",)),
        executor=reading(),
        policy_answered=NOW - 0.1,
        policy_state="active",
        answers=(answer(),),
        cameras=(camera(),),
    )
    return dataclasses.replace(made, **changes)


def test_nothing_is_missing_in_a_healthy_graph() -> None:
    assert missing(healthy(), POLICY, EXECUTOR) == []


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"executor": None}, "No executor: nothing comes on /molmoact_executor/status."),
        ({"executor": reading(age=0.8)}, "The executor does not report: its last status came 0.8"),
        ({"policy_answered": None}, "No policy: /molmoact_policy does not answer."),
        ({"policy_answered": NOW - 0.9}, "The policy does not answer: it did 0.9 s ago."),
        ({"policy_state": "inactive"}, "The policy is inactive: no answers come."),
        ({"graph": Graph(2, 1, ("/camera/image",))}, "2 nodes publish /molmoact_executor/status"),
        ({"graph": Graph(1, 2, ("/camera/image",))}, "2 nodes publish /molmoact_policy/reasoning"),
        ({"graph": Graph(1, 1, (), "No camera: ...")}, "No camera: ..."),
        ({"cameras": (camera(number=0),)}, "No picture has come from /camera/image."),
        ({"cameras": (camera(age=0.9),)}, "No new pictures from /camera/image: the last came 0.9"),
    ],
)
def test_what_is_missing_is_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    (found,) = missing(healthy(**changes), POLICY, EXECUTOR)
    assert found.startswith(sentence)


def test_a_page_that_has_just_been_opened_misses_nothing_yet() -> None:
    snapshot = Snapshot(now=NOW, watched_since=NOW - 0.5)
    assert missing(snapshot, POLICY, EXECUTOR) == []
    assert len(missing(dataclasses.replace(snapshot, now=NOW + 1.0), POLICY, EXECUTOR)) == 2


def test_everything_is_called_old_within_a_second() -> None:
    late = healthy(now=NOW + 0.8)
    assert not executor_shown(late).live
    assert not policy_is_live(late)
    assert not picture_shown(camera(), NOW - 0.05, late.now).live
    assert "does not report" in executor_shown(late).text


def test_the_age_of_a_picture_is_that_of_the_one_that_the_browser_shows() -> None:
    assert picture_shown(camera(), NOW - 0.1, NOW).live
    stuck = picture_shown(camera(), NOW - 3.0, NOW)
    assert not stuck.live
    assert stuck.text == "NOT LIVE, 3.0 s ago"
    assert not picture_shown(camera(), None, NOW).live


@pytest.mark.parametrize("delay, side", [(5.0, "before"), (-3600.0, "after")])
def test_a_picture_with_an_old_stamp_or_another_clock_is_not_live(delay: float, side: str) -> None:
    shown = picture_shown(camera(delay=delay), NOW - 0.1, NOW)
    assert not shown.live
    assert f"s {side} it arrived" in shown.text


def test_a_picture_that_cannot_be_read_says_why() -> None:
    assert picture_shown(camera(problem="/c: no JPEG"), NOW, NOW).text == "/c: no JPEG"


def test_a_halt_is_confirmed_by_the_status_alone() -> None:
    asked = HaltRequest(NOW - 0.3)
    assert halt_view(healthy(), None).kind == "idle"
    assert halt_view(healthy(), asked).kind == "pending"
    assert halt_view(healthy(executor=reading(STOPPING)), asked).kind == "pending"
    halted = halt_view(healthy(executor=reading(HALTED, reason="halted: ~/halt was called")), asked)
    assert (halted.kind, halted.text) == ("confirmed", "Halted: ~/halt was called")


@pytest.mark.parametrize(
    "executor, reason",
    [
        (None, "the executor does not report"),
        (reading(HALTED, age=0.8), "the executor does not report"),
        (reading(EXECUTING), "the executor has not halted"),
        (reading(STOPPING), "it is slowing down"),
    ],
)
def test_a_halt_that_is_not_confirmed_says_why(
    executor: ExecutorReading | None, reason: str
) -> None:
    view = halt_view(healthy(executor=executor), HaltRequest(NOW - 2.0))
    assert view.kind == "failed"
    assert view.text.startswith(f"NOT CONFIRMED after 2 s: {reason}")


def test_a_halt_that_was_refused_says_why_at_once() -> None:
    view = halt_view(healthy(), HaltRequest(NOW, "/molmoact_executor/halt is not there"))
    assert view.kind == "failed"
    assert "/molmoact_executor/halt is not there; use the emergency stop" in view.text


def test_a_halt_stays_asked_for_until_a_status_after_it_is_halted() -> None:
    asked = HaltRequest(NOW)
    assert after_halt(healthy(executor=reading(HALTED, age=0.2)), asked) == asked
    assert after_halt(healthy(executor=reading(HALTED, age=0.0)), asked) is None
    assert after_halt(healthy(), asked) == asked
    assert after_halt(healthy(), None) is None


def test_whose_line_is_followed() -> None:
    assert "the model's own line" in followed_text(healthy())
    assert "a line that a person drew" in followed_text(healthy(answers=(answer(drawn=True),)))
    assert "no line" in followed_text(healthy(answers=(answer(points=()),)))
    assert followed_text(healthy(answers=())) == "No answer yet"


def test_an_instruction_counts_as_followed_when_an_answer_says_so() -> None:
    snapshot = healthy()
    assert instruction_shown(snapshot, None, 0.0).text == "reach the red block (0.1 s ago)"
    waiting = instruction_shown(snapshot, "reach the blue block", NOW - 2.0)
    assert waiting.text == "sent 2.0 s ago, not followed yet: reach the blue block"
    assert not waiting.live
    assert instruction_shown(snapshot, "reach the red block", NOW - 2.0).live
    assert instruction_shown(healthy(answers=()), "", NOW - 2.0).text.startswith("nothing")


def test_the_chunk_that_waits_is_the_newest_trusted_one() -> None:
    answers = (answer(), answer(sequence=4), answer(sequence=5, problems=("no actions",)))
    assert waiting_chunk(healthy(answers=answers)) is None
    waits = reading(awaiting_approval=True)
    found = waiting_chunk(healthy(answers=answers, executor=waits))
    assert found is not None and found.sequence == 4
    old = dataclasses.replace(waits, received=NOW - 1.0)
    assert waiting_chunk(healthy(answers=answers, executor=old)) is None


@pytest.mark.parametrize(
    "age, text", [(-1.0, "0.0 s ago"), (0.31, "0.3 s ago"), (45.0, "45 s ago"),
                  (600.0, "10 min ago"), (7300.0, "2 h ago")],
)  # fmt: skip
def test_ages(age: float, text: str) -> None:
    assert age_text(age) == text


@pytest.mark.parametrize("state", State)
def test_every_state_has_words(state: State) -> None:
    assert executor_shown(healthy(executor=reading(state))).text


def test_a_disabled_executor_is_no_stale_one() -> None:
    assert executor_shown(healthy(executor=reading(DISABLED))).live
