# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Who is served when, and whose fault ends whose answer."""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from molmoact_ros.decoding import StoppedError
from molmoact_ros.decoding.drafts.draft import Draft
from molmoact_ros.faults import DeviceLostError
from molmoact_ros.model import MolmoActForActionReasoning
from molmoact_ros.policy import Observation
from molmoact_ros.serve.batching import (
    AnswerScheduler,
    LoadedCheckpoint,
    SessionBusyError,
    SessionSettings,
    TooManySessionsError,
)

from .conftest import OBSERVATIONS, TOKENS

Make = Callable[..., Any]
Load = Callable[..., LoadedCheckpoint]
PATIENCE = 60.0  # s


def _run(scheduler: AnswerScheduler) -> list[str]:
    kinds: list[str] = []
    while (step := scheduler.step()) is not None:
        kinds.append(step.kind)
    return kinds


def test_between_two_passes_is_one_prefill_at_most(make: Make) -> None:
    scheduler, sessions = make(4)
    futures = [session.infer(OBSERVATIONS[0]) for session in sessions]
    kinds = _run(scheduler)
    assert kinds[:7] == ["prefill", "pass"] * 3 + ["prefill"]
    assert set(kinds[7:]) == {"pass"}
    assert all(future.result().text for future in futures)


def test_the_robot_whose_chunk_ends_first_is_prefilled_first(make: Make) -> None:
    scheduler, sessions = make(3, max_new_tokens=1)  # the prefill's own token is the answer
    deadlines = [None, 9.0, 5.0]
    ended: list[int] = []
    for number, (session, deadline) in enumerate(zip(sessions, deadlines, strict=True)):
        future = session.infer(OBSERVATIONS[0], deadline)
        future.add_done_callback(lambda _, number=number: ended.append(number))
    assert _run(scheduler) == ["prefill"] * 3
    assert ended == [2, 1, 0]


def test_a_robot_that_stands_still_is_not_behind_others_for_ever(make: Make) -> None:
    """Robots with a chunk that ends soon ask again at once, more than the passes can answer."""
    now = 0.0
    scheduler, (still, *busy) = make(3, max_new_tokens=1, clock=lambda: now)
    waiting = still.infer(OBSERVATIONS[0])  # no chunk is executed
    futures = [session.infer(OBSERVATIONS[0], now + 0.5) for session in busy]
    for _ in range(20):
        scheduler.step()
        now += 0.2
        for number, session in enumerate(busy):
            if futures[number].done():
                futures[number] = session.infer(OBSERVATIONS[0], now + 0.5)
    assert waiting.done()


def test_answers_come_while_others_run_in_a_thread(make: Make, alone: Make) -> None:
    """Robots ask from threads of their own, as often as they get an answer."""
    truths, wrong = alone(), []
    scheduler, sessions = make(3)
    scheduler.start()

    def ask(number: int) -> None:
        for index, observation in enumerate(OBSERVATIONS[number:]):
            answer = sessions[number].infer(observation).result(PATIENCE)
            if answer.ids != truths[number + index]:
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    scheduler.stop()
    assert wrong == []


def test_a_cancelled_answer_frees_its_place_and_leaves_no_trace(make: Make, alone: Make) -> None:
    scheduler, (session,) = make(1)
    cancelled = session.infer(OBSERVATIONS[1])
    for _ in range(3):
        scheduler.step()
    session.cancel()
    with pytest.raises(CancelledError):
        cancelled.result()
    assert scheduler.step() is None
    future = session.infer(OBSERVATIONS[0])
    _run(scheduler)
    assert future.result().ids == alone()[0]
    session.cancel()  # of nothing


def test_a_second_question_before_the_answer_is_refused(make: Make) -> None:
    scheduler, (session,) = make(1)
    future = session.infer(OBSERVATIONS[0])
    with pytest.raises(SessionBusyError, match="cancel it first"):
        session.infer(OBSERVATIONS[1])
    _run(scheduler)
    assert future.result().ids


def test_too_many_sessions_are_refused_until_one_closes(make: Make) -> None:
    scheduler, sessions = make(2)
    with pytest.raises(TooManySessionsError, match="all 2 sessions are taken"):
        scheduler.open(SessionSettings())
    assert scheduler.sessions == 2
    sessions[0].close()
    sessions[0].close()
    with pytest.raises(ValueError, match="nowhere"):
        scheduler.open(SessionSettings(unnorm_key="nowhere"))
    scheduler.open(SessionSettings())
    assert scheduler.sessions == 2
    with pytest.raises(RuntimeError, match="the session is closed"):
        sessions[0].infer(OBSERVATIONS[0])


@pytest.mark.parametrize("sessions", [0, 17])
def test_each_session_needs_a_row(load: Load, sessions: int) -> None:
    with pytest.raises(ValueError, match=f"max_sessions is {sessions}, it must be 1 to"):
        AnswerScheduler(load(), max_sessions=sessions, rows_per_pass=16)


def test_an_unusable_observation_ends_this_answer_only(make: Make, alone: Make) -> None:
    scheduler, sessions = make(3)
    empty = sessions[0].infer(Observation({}, "close the box"))
    long = sessions[1].infer(replace(OBSERVATIONS[0], instruction="close the box " * 60))
    sound = sessions[2].infer(OBSERVATIONS[0])
    _run(scheduler)
    with pytest.raises(ValueError, match="no image"):
        empty.result()
    with pytest.raises(ValueError, match="the cache holds 256"):
        long.result()
    assert sound.result().ids == alone()[0]
    again = sessions[0].infer(OBSERVATIONS[0])
    _run(scheduler)
    assert again.result().ids == alone()[0]


@pytest.mark.parametrize("method", ["begin", "extend", "grow"])
def test_an_error_in_one_session_ends_this_answer_only(
    make: Make, alone: Make, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    scheduler, sessions = make(3)
    faulty = sessions[1]._stream.draft
    original = getattr(Draft, method)

    def fail(self: Draft, *arguments: Any) -> Any:
        if self is faulty:
            raise KeyError("broken")
        return original(self, *arguments)

    monkeypatch.setattr(Draft, method, fail)
    futures = [session.infer(OBSERVATIONS[n]) for n, session in enumerate(sessions)]
    _run(scheduler)
    with pytest.raises(KeyError, match="broken"):
        futures[1].result(0)
    assert [futures[n].result(0).ids for n in (0, 2)] == [alone()[0], alone()[2]]


def test_an_error_behind_the_last_token_ends_this_answer_only(
    make: Make, alone: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler, sessions = make(2)
    faulty = sessions[0]._stream.draft
    extend = Draft.extend

    def fail_late(self: Draft, tokens: Any) -> None:
        extend(self, tokens)
        if self is faulty and len(self._emitted) == TOKENS:
            raise KeyError("broken")

    monkeypatch.setattr(Draft, "extend", fail_late)
    futures = [session.infer(OBSERVATIONS[0]) for session in sessions]
    _run(scheduler)
    with pytest.raises(KeyError, match="broken"):
        futures[0].result(0)
    assert futures[1].result(0).ids == alone()[0]
    assert scheduler.failure is None


def test_a_fault_of_the_scheduler_itself_leaves_nobody_waiting(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler, sessions = make(2)
    broken = RuntimeError("a bug")
    monkeypatch.setattr("molmoact_ros.serve.batching.scheduler.share_rows", _raising(broken))
    scheduler.start()
    futures = [session.infer(OBSERVATIONS[0]) for session in sessions]
    assert {future.exception(PATIENCE) for future in futures} == {broken}
    assert scheduler.failure is broken
    scheduler.stop()


def test_an_error_of_a_pass_ends_its_answers_and_later_ones_come(
    make: Make, alone: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler, sessions = make(3)
    futures = [session.infer(OBSERVATIONS[0]) for session in sessions]
    for _ in range(3):  # the third still waits
        scheduler.step()
    with monkeypatch.context() as patch:
        patch.setattr(MolmoActForActionReasoning, "run", _raising(RuntimeError("a bad kernel")))
        scheduler.step()  # its prefill
        scheduler.step()
    for future in futures:
        with pytest.raises(RuntimeError, match="a bad kernel"):
            future.result()
    assert scheduler.failure is None
    future = sessions[0].infer(OBSERVATIONS[0])
    _run(scheduler)
    assert future.result().ids == alone()[0]


@pytest.mark.parametrize("during", ["prefill", "pass"])
def test_a_lost_device_ends_all_answers_for_good(
    make: Make, monkeypatch: pytest.MonkeyPatch, during: str
) -> None:
    scheduler, sessions = make(3)
    futures = [session.infer(OBSERVATIONS[0]) for session in sessions[:2]]
    for _ in range({"prefill": 2, "pass": 3}[during]):
        scheduler.step()
    lost = DeviceLostError("cuda:0 has failed")
    monkeypatch.setattr(MolmoActForActionReasoning, "run", _raising(lost))
    assert scheduler.step() is None
    futures.append(sessions[2].infer(OBSERVATIONS[0]))
    for future in futures:
        assert future.exception(0) is lost
    assert scheduler.failure is lost
    assert scheduler.step() is None


def test_who_waits_when_the_scheduler_stops_gets_an_error(make: Make) -> None:
    scheduler, sessions = make(2)
    waiting = [session.infer(OBSERVATIONS[0]) for session in sessions]
    scheduler.step()
    scheduler.start()
    scheduler.stop()
    for future in [*waiting, sessions[0].infer(OBSERVATIONS[0])]:
        if future.exception(PATIENCE) is not None:  # its thread may have been quick
            with pytest.raises(StoppedError, match="the scheduler was stopped"):
                future.result()
    assert isinstance(future.exception(), StoppedError)


def test_settings_and_memory_of_a_session_are_its_own(load: Load) -> None:
    scheduler = AnswerScheduler(load(), max_sessions=2)
    short = scheduler.open(SessionSettings(max_new_tokens=5))
    long = scheduler.open(SessionSettings(max_new_tokens=TOKENS, rows=3, constrained=True))
    futures = [session.infer(OBSERVATIONS[0]) for session in (short, long)]
    _run(scheduler)
    first, second = (future.result() for future in futures)
    assert len(first.ids) == 5 and second.ids[:5] == first.ids and len(second.ids) > 5
    assert short._stream.forms is None and long._stream.forms is not None
    assert short._stream._trust is not long._stream._trust


def test_timings_name_every_stage(make: Make) -> None:
    scheduler, (session,) = make(1)
    future = session.infer(OBSERVATIONS[0])
    _run(scheduler)
    timings = dict(future.result().timings)
    total = timings.pop("total")
    stages = {"preprocess", "wait", "vision", "prefill", "decode", "parse"}
    assert set(timings) == stages
    assert all(seconds >= 0.0 for seconds in timings.values())
    assert total == pytest.approx(sum(timings.values()), abs=1e-3)


def test_rows_that_depend_on_others_are_reported(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = AnswerScheduler(load(), max_sessions=3)
    assert scheduler.check() == ()
    run = MolmoActForActionReasoning.run

    def leaking(self: Any, inputs: Any, *arguments: Any) -> Any:
        hidden = run(self, inputs, *arguments)
        return hidden + 1e-4 * hidden.mean(dim=1, keepdim=True)

    monkeypatch.setattr(MolmoActForActionReasoning, "run", leaking)
    (warning,) = scheduler.check()
    assert "may depend on what others ask" in warning


def test_a_picture_is_not_changed(make: Make) -> None:
    scheduler, (session,) = make(1)
    picture = OBSERVATIONS[0].images["primary"]
    before = picture.copy()
    session.infer(replace(OBSERVATIONS[0], trajectory_hint=np.array([[0.0, 0.0], [99.0, 99.0]])))
    _run(scheduler)
    assert np.array_equal(picture, before)


def _raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail
