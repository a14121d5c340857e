# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the page shows of the robot: a pure function of what was received, and when."""

from __future__ import annotations

from dataclasses import dataclass

from .readings import (
    DISABLED,
    EXECUTING,
    HALTED,
    READY,
    STOPPING,
    TELEOP,
    Answer,
    CameraReading,
    ExecutorReading,
    Snapshot,
)

# s after which something is not live any more. Each is below 1 s by more than a page's period.
PICTURE_AGE = 0.7
EXECUTOR_AGE = 0.5  # it publishes at 10 Hz
POLICY_AGE = 0.75  # it is asked at 5 Hz
ANSWER_AGE = 10.0  # answers come as fast as the checkpoint can
DIAGNOSTIC_AGE = 2.5  # published once a second
# s between stamp and arrival that still count as live; more: old pictures, or clocks differ.
_DELAY = 1.0
_PATIENCE = 1.0  # s after which a request or a silent node is reported as missing
_WORDS = {
    DISABLED: "Motion is off",
    READY: "Ready",
    EXECUTING: "Executing",
    STOPPING: "Slowing down",
    HALTED: "HALTED",
    TELEOP: "A person moves the arm",
}


def age_text(age: float) -> str:
    """Return an age of s for a person."""
    if age < 10.0:
        return f"{max(age, 0.0):.1f} s ago"
    if age < 120.0:
        return f"{age:.0f} s ago"
    return f"{age / 60.0:.0f} min ago" if age < 7200.0 else f"{age / 3600.0:.0f} h ago"


@dataclass(frozen=True)
class Shown:
    """A text, and whether it describes the present."""

    text: str
    live: bool


def executor_is_live(snapshot: Snapshot) -> bool:
    """Return whether the executor's status is of the present."""
    reading = snapshot.executor
    return reading is not None and snapshot.now - reading.received <= EXECUTOR_AGE


def policy_is_live(snapshot: Snapshot) -> bool:
    """Return whether the policy node has just answered."""
    answered = snapshot.policy_answered
    return answered is not None and snapshot.now - answered <= POLICY_AGE


def answers_are_live(snapshot: Snapshot) -> bool:
    """Return whether the last answer is of the present."""
    last = snapshot.answers[-1] if snapshot.answers else None
    young = last is not None and snapshot.now - last.received <= ANSWER_AGE
    return young and policy_is_live(snapshot)


def executor_shown(snapshot: Snapshot) -> Shown:
    """Return the executor's state in words."""
    reading = snapshot.executor
    if reading is None:
        return Shown("Executor: no status", False)
    if not executor_is_live(snapshot):
        age = age_text(snapshot.now - reading.received)
        return Shown(f"Executor does not report; {age}: {_WORDS[reading.state]}", False)
    return Shown(_WORDS[reading.state], True)


def progress_text(reading: ExecutorReading) -> str:
    """Return which row of which chunk is executed."""
    if reading.state != EXECUTING:
        return f"last chunk {reading.sequence}" if reading.sequence else "no chunk executed yet"
    rows = reading.step + reading.steps_remaining
    return f"chunk {reading.sequence}, row {reading.step + 1} of {max(rows, reading.step + 1)}"


def picture_shown(
    camera: CameraReading, shown_at: float | None, now: float, longest: float = PICTURE_AGE
) -> Shown:
    """Return what stands below a picture.

    Args:
        camera: The camera.
        shown_at: s when the picture that the browser shows was received; None: it shows none.
        now: s.
        longest: s; what is older is not live.
    """
    if camera.problem:
        return Shown(camera.problem, False)
    if camera.number == 0 or shown_at is None:
        return Shown(f"no picture yet from {camera.topic}", False)
    age = now - shown_at
    if abs(camera.delay) > _DELAY:
        side = "before" if camera.delay > 0.0 else "after"
        return Shown(
            f"not live: stamped {abs(camera.delay):.1f} s {side} it arrived: an old picture, or "
            "the clocks of camera and console differ",
            False,
        )
    if age > longest:
        return Shown(f"NOT LIVE, {age_text(age)}", False)
    if longest > PICTURE_AGE:
        return Shown(age_text(age), True)
    old = max(age, 0.0) + max(camera.delay, 0.0)
    return Shown(f"live, {old:.1f} s old, {camera.rate:.0f} per second", True)


def followed_text(snapshot: Snapshot) -> str:
    """Return whose line the last answer follows."""
    if not snapshot.answers:
        return "No answer yet"
    answer = snapshot.answers[-1]
    age = age_text(snapshot.now - answer.received)
    if not answer.points:
        return f"The last answer has no line ({age})"
    whose = "a line that a person drew" if answer.drawn else "the model's own line"
    return f"The last answer follows {whose} ({age})"


def instruction_shown(snapshot: Snapshot, sent: str | None, sent_at: float) -> Shown:
    """Return what is followed, and whether that is what was sent from here.

    Args:
        snapshot: What was received.
        sent: The last instruction sent from this console; None: none was.
        sent_at: s.
    """
    last = snapshot.answers[-1] if snapshot.answers else None
    if sent == "" and (last is None or last.received < sent_at + _PATIENCE):
        return Shown("nothing: the policy was asked to stop", policy_is_live(snapshot))
    if sent and (last is None or last.instruction != sent):
        since = age_text(snapshot.now - sent_at)
        return Shown(f"sent {since}, not followed yet: {sent}", False)
    if last is None:
        return Shown("no answer yet", False)
    text = f"{last.instruction} ({age_text(snapshot.now - last.received)})"
    return Shown(text, answers_are_live(snapshot))


@dataclass(frozen=True)
class HaltRequest:
    """A halt that was asked for; `failure` is why it could not be sent or was not answered."""

    sent: float
    failure: str = ""


@dataclass(frozen=True)
class HaltView:
    """The halt button: `kind` is idle, pending, failed or confirmed."""

    kind: str
    text: str


def halt_view(snapshot: Snapshot, request: HaltRequest | None) -> HaltView:
    """Return the text of the halt button; only a live status HALTED confirms."""
    live = executor_is_live(snapshot)
    if live and snapshot.executor is not None and snapshot.executor.state == HALTED:
        return HaltView("confirmed", f"Halted: {snapshot.executor.reason.removeprefix('halted: ')}")
    if request is None:
        return HaltView("idle", "" if live else "the executor does not report")
    waited = snapshot.now - request.sent
    if request.failure:
        return HaltView("failed", f"NOT CONFIRMED: {request.failure}; use the emergency stop")
    if not live:
        why = "the executor does not report"
    elif snapshot.executor is not None and snapshot.executor.state == STOPPING:
        why = "it is slowing down"
    else:
        why = "the executor has not halted"
    if waited <= _PATIENCE:
        return HaltView("pending", "halt sent, not confirmed yet")
    urgent = "" if why == "it is slowing down" else "; use the emergency stop"
    return HaltView("failed", f"NOT CONFIRMED after {waited:.0f} s: {why}{urgent}")


def after_halt(snapshot: Snapshot, request: HaltRequest | None) -> HaltRequest | None:
    """Return the request that is still open: none once the status has confirmed it."""
    reading = snapshot.executor
    if request is None or reading is None or not executor_is_live(snapshot):
        return request
    return None if reading.state == HALTED and reading.received >= request.sent else request


def missing(snapshot: Snapshot, policy: str, executor: str) -> list[str]:
    """Return what is missing or wrong, one sentence each, the most important first."""
    found: list[str] = []
    graph, watched = snapshot.graph, snapshot.now - snapshot.watched_since
    if watched < _PATIENCE:
        return found
    if graph.executors > 1:
        found.append(f"{graph.executors} nodes publish {executor}/status: stop all but one.")
    if graph.policies > 1:
        found.append(f"{graph.policies} nodes publish {policy}/reasoning: stop all but one.")
    if not executor_is_live(snapshot):
        found.append(
            f"No executor: nothing comes on {executor}/status."
            if snapshot.executor is None
            else f"The executor does not report: its last status came "
            f"{age_text(snapshot.now - snapshot.executor.received)}."
        )
    if not policy_is_live(snapshot):
        found.append(
            f"No policy: {policy} does not answer."
            if snapshot.policy_answered is None
            else f"The policy does not answer: it did "
            f"{age_text(snapshot.now - snapshot.policy_answered)}."
        )
    elif snapshot.policy_state not in ("active", ""):
        found.append(f"The policy is {snapshot.policy_state}: no answers come.")
    elif graph.note:
        found.append(graph.note)
    for camera in snapshot.cameras:
        if camera.number == 0:
            found.append(f"No picture has come from {camera.topic}.")
        elif snapshot.now - camera.received > PICTURE_AGE:
            age = age_text(snapshot.now - camera.received)
            found.append(f"No new pictures from {camera.topic}: the last came {age}.")
    return found


def waiting_chunk(snapshot: Snapshot) -> Answer | None:
    """Return the answer whose chunk waits for approval, the newest trusted one."""
    reading = snapshot.executor
    if reading is None or not reading.awaiting_approval or not executor_is_live(snapshot):
        return None
    return next((answer for answer in reversed(snapshot.answers) if not answer.problems), None)
