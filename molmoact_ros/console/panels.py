# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a page shows besides the pictures: the policy's answers, diagnostics, what is in force."""

from __future__ import annotations

import time

from nicegui import ui

from molmoact_ros.control import ProfileError, RobotProfile, load_profile
from molmoact_ros.control.robot_profile import robot_path

from .readings import ERROR, OK, STALE, WARN, Answer, Diagnostic, Snapshot
from .state import (
    DIAGNOSTIC_AGE,
    age_text,
    answers_are_live,
    executor_is_live,
    executor_shown,
    policy_is_live,
    progress_text,
)
from .widgets import Chart, card, show

_LOG_LINES = 60
_LEVELS = {
    OK: ("good", "OK"), WARN: ("warn", "WARN"), ERROR: ("bad", "ERROR"), STALE: ("soft", "STALE"),
}  # fmt: skip


class ExecutorPanel:
    """State, reason and progress of the executor."""

    def __init__(self) -> None:
        with card("Executor") as self._card:
            self._state = ui.label("").classes("big")
            self._reason = ui.label("").classes("text")
            self._progress = ui.label("").classes("soft")

    def refresh(self, snapshot: Snapshot) -> None:
        """Show what is known now."""
        shown, reading = executor_shown(snapshot), snapshot.executor
        self._state.set_text(shown.text)
        for element in (self._state, self._reason, self._progress):
            show(element, "stale", not shown.live)
        if reading is None:
            return
        self._reason.set_text(reading.reason)
        age = age_text(snapshot.now - reading.received)
        self._progress.set_text(
            f"{progress_text(reading)} · loop {reading.loop_rate:.0f} Hz, "
            f"at most {reading.loop_jitter * 1000.0:.1f} ms late · {age}"
        )


class AnswersPanel:
    """Charts and log of the policy's answers."""

    def __init__(self) -> None:
        self._last: Answer | None = None
        self._rates: list[float | None] = []
        self._next_rate = 0.0
        with card("Answers") as self._card:
            self._age = ui.label("no answer yet").classes("soft")
            with ui.element("div").classes("charts") as self._charts:
                self._confidence = Chart("confidence", "", 2)
                self._seconds = Chart("seconds per answer", " s", 2)
                self._passes = Chart("passes per answer", "", 0)
                self._rate = Chart("first camera", " Hz", 1)
        with card("Log of answers"):
            self._log = ui.log(max_lines=_LOG_LINES).classes("log")

    def refresh(self, snapshot: Snapshot) -> None:
        """Show what has come."""
        answers = snapshot.answers
        if snapshot.now >= self._next_rate and snapshot.cameras:
            self._next_rate = snapshot.now + 1.0
            self._rates = [*self._rates[-49:], snapshot.cameras[0].rate]
            self._rate.show(self._rates)
        if not answers:
            return
        self._age.set_text(f"last answer {age_text(snapshot.now - answers[-1].received)}")
        show(self._charts, "stale", not answers_are_live(snapshot))
        if answers[-1] is self._last:
            return
        seen = self._last.received if self._last else 0.0
        for answer in (each for each in answers if each.received > seen):
            self._log.push(log_line(answer), classes="bad" if answer.problems else None)
        self._last = answers[-1]
        self._confidence.show([answer.confidence for answer in answers])
        self._seconds.show([answer.seconds for answer in answers])
        self._passes.show([float(answer.passes) for answer in answers])


def log_line(answer: Answer) -> str:
    """Return an answer as a line of text."""
    received = time.time() - time.monotonic() + answer.received
    when = time.strftime("%H:%M:%S", time.localtime(received))
    confidence = "-" if answer.confidence is None else f"{answer.confidence:.2f}"
    line = (
        f"{when} #{answer.sequence} '{answer.instruction}' {answer.seconds:.2f} s, "
        f"{answer.tokens} tokens in {answer.passes} passes, confidence {confidence}"
    )
    return "\n  ".join([line, *answer.problems])


class DiagnosticsPanel:
    """Statuses of /diagnostics, the worst first."""

    def __init__(self) -> None:
        self._rows: dict[str, ui.label] = {}
        with card("Diagnostics"):
            self._age = ui.label("no diagnostics yet").classes("soft")
            self._list = ui.element("div").classes("list").props("tabindex=0")

    def refresh(self, snapshot: Snapshot, policy: str, executor: str) -> None:
        """Show the statuses; those of a node that is gone are not live, however young."""
        gone = [
            name
            for name, live in (
                (policy, policy_is_live(snapshot)),
                (executor, executor_is_live(snapshot)),
            )
            if not live
        ]
        for status in snapshot.diagnostics:
            row = self._rows.get(status.name)
            if row is None:
                with self._list:
                    row = self._rows[status.name] = ui.label("")
            age = snapshot.now - status.received
            live = age <= DIAGNOSTIC_AGE and not any(
                status.name.startswith(f"{name}:") for name in gone
            )
            self._write(row, status, live, age)
        if snapshot.diagnostics:
            newest = max(status.received for status in snapshot.diagnostics)
            self._age.set_text(f"newest {age_text(snapshot.now - newest)}")

    def _write(self, row: ui.label, status: Diagnostic, live: bool, age: float) -> None:
        name, word = _LEVELS[status.level]
        for other, _ in _LEVELS.values():
            show(row, other, other == name)
        show(row, "stale", not live)
        late = "" if age <= DIAGNOSTIC_AGE else f" ({age_text(age)})"
        row.set_text(f"{word}  {status.name.lstrip('/')}: {status.message}{late}")
        order = f"order:{-status.level}"
        if row.style.get("order") != str(-status.level):
            row.style(order)


class ForcePanel:
    """Which checkpoint, robot profile and limits are in force."""

    def __init__(self) -> None:
        self._facts: dict[str, str] = {}
        self._profiles: dict[str, str | RobotProfile] = {}
        with card("In force"):
            self._grid = ui.element("div").classes("facts")
            ui.label(
                "Checkpoint as the policy reports it, parameters as the executor has them; the "
                "limits are those of the profile's file on the console's machine."
            ).classes("soft")

    def refresh(self, snapshot: Snapshot, policy: str) -> None:
        """Show what has changed."""
        known = executor_is_live(snapshot) and policy_is_live(snapshot)
        show(self._grid, "stale", not known)
        facts = self._known(snapshot, policy)
        if facts == self._facts:
            return
        self._facts = facts
        self._grid.clear()
        with self._grid:
            for name, value in facts.items():
                ui.label(name)
                ui.label(value)

    def _known(self, snapshot: Snapshot, policy: str) -> dict[str, str]:
        facts: dict[str, str] = {}
        for status in snapshot.diagnostics:
            if status.name == f"{policy}: model":
                keys = ("checkpoint", "profile", "unnorm_key", "device", "precision")
                facts |= {key: status.values[key] for key in keys if key in status.values}
        facts |= {f"executor: {name}": value for name, value in snapshot.settings.items()}
        if robot := snapshot.settings.get("robot"):
            facts |= self._limits(robot)
        return facts

    def _limits(self, robot: str) -> dict[str, str]:
        if robot not in self._profiles:
            try:
                self._profiles[robot] = load_profile(robot_path(robot))
            except (ProfileError, OSError) as error:
                self._profiles[robot] = f"not readable here: {error}"
        profile = self._profiles[robot]
        if isinstance(profile, str):
            return {"limits": profile}
        limits = profile.limits
        facts: dict[str, str] = {}
        for name, unit, limit in (
            ("linear", "m", limits.linear),
            ("angular", "rad", limits.angular),
            *((joint, "", limit) for joint, limit in limits.joints.items()),
        ):
            if limit is not None:
                facts[f"limit {name}"] = (
                    f"{limit.speed:g} {unit}/s, {limit.acceleration:g} {unit}/s²"
                )
        return facts
