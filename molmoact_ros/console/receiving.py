# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Messages into readings; texts of messages are cut to what a page can show."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from molmoact_ros.msg import ActionReasoning, ExecutorStatus, Trajectory2D
from molmoact_ros.ros.conversions import MessageError, trajectory_from_message

from .readings import HALTED, STALE, Answer, Diagnostic, ExecutorReading

_MOST_POINTS = 64  # of a path; answers have five
_MOST_PROBLEMS = 8
_MOST_STATUSES = 60
_MOST_VALUES = 40
_WORD, _SENTENCE, _TEXT = 120, 400, 1000  # characters


def executor_reading(message: ExecutorStatus, now: float) -> ExecutorReading:
    """Return a status; a state that is unknown counts as halted, which is shown as it is."""
    return ExecutorReading(
        state=min(message.state, HALTED),
        reason=message.reason[:_SENTENCE],
        awaiting_approval=message.awaiting_approval,
        sequence=message.sequence,
        step=message.step,
        steps_remaining=message.steps_remaining,
        loop_rate=message.loop_rate,
        loop_jitter=message.loop_jitter,
        received=now,
    )


def answer(message: ActionReasoning, now: float) -> Answer:
    """Return an answer; a path that contradicts itself is none, and a problem."""
    problems = [text[:_SENTENCE] for text in message.problems[:_MOST_PROBLEMS]]
    path = message.trajectory
    points: tuple[tuple[float, float], ...] = ()
    try:
        trajectory_from_message(path)
    except MessageError as error:
        problems.append(f"trajectory: {error}"[:_SENTENCE])
    else:
        points = tuple(zip(path.x[:_MOST_POINTS], path.y[:_MOST_POINTS], strict=True))
    confidence = message.actions.confidence
    return Answer(
        sequence=message.actions.sequence,
        instruction=message.instruction[:_TEXT],
        points=points,
        size=(path.image_width, path.image_height),
        drawn=path.source == Trajectory2D.SOURCE_USER,
        problems=tuple(problems),
        seconds=float(sum(value for value in message.stage_seconds if math.isfinite(value))),
        passes=message.forward_passes,
        tokens=message.generated_tokens,
        confidence=confidence if math.isfinite(confidence) else None,
        received=now,
    )


def merged(
    known: Iterable[Diagnostic], statuses: Iterable[Any], now: float
) -> tuple[Diagnostic, ...]:
    """Return the known statuses with those of a message in their places."""
    by_name = {status.name: status for status in known}
    for status in statuses:
        level = int.from_bytes(status.level, "little")
        name = status.name[:_WORD]
        if name in by_name or len(by_name) < _MOST_STATUSES:
            values = {
                value.key[:_WORD]: value.value[:_WORD] for value in status.values[:_MOST_VALUES]
            }
            by_name[name] = Diagnostic(
                name, min(level, STALE), status.message[:_SENTENCE], values, now
            )
    return tuple(by_name.values())
