# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether a chunk may be executed at all, before anything is computed from it."""

from __future__ import annotations

from .chunk import ActionChunk, Refusal, chunk_fault
from .robot_profile import RobotProfile
from .sequence import SequenceGuard


class Intake:
    """Checks chunks in this order: form, meaning, trust, time, sequence."""

    def __init__(self, profile: RobotProfile) -> None:
        self.sequence = SequenceGuard()
        self.adopt(profile)

    def adopt(self, profile: RobotProfile) -> None:
        """Check the next chunk as a profile asks."""
        self._mapping = profile.action
        self._execution = profile.execution
        is_tool = profile.action.frame == "tool"
        self._frame = profile.action.tool_frame if is_tool else profile.frame

    def check(self, chunk: ActionChunk, now: float) -> Refusal | None:
        """Return why a chunk is refused, None where it may be executed."""
        return (
            chunk_fault(chunk, self._execution.max_horizon)
            or self._mapping.name_fault(chunk)
            or self._frame_fault(chunk)
            or self._trust_fault(chunk)
            or self._time_fault(chunk, now)
            or self.sequence.check(chunk.sequence, chunk.stamp, now)
        )

    def _frame_fault(self, chunk: ActionChunk) -> Refusal | None:
        if chunk.frame in ("", self._frame):
            return None
        takes = f"this robot takes '{self._frame}'" if self._frame else "action.tool_frame is empty"
        return Refusal("refused_frame", f"its actions are in frame '{chunk.frame[:64]}', {takes}")

    def _trust_fault(self, chunk: ActionChunk) -> Refusal | None:
        if not chunk.valid and not self._execution.execute_invalid:
            return Refusal("refused_invalid", "the policy marked it as invalid")
        least = self._execution.min_confidence
        if least > 0.0 and chunk.confidence is None:
            return Refusal("refused_confidence", f"no confidence, min_confidence is {least}")
        if least > 0.0 and not (chunk.confidence or 0.0) >= least:
            return Refusal(
                "refused_confidence", f"confidence {chunk.confidence}, min_confidence is {least}"
            )
        return None

    def _time_fault(self, chunk: ActionChunk, now: float) -> Refusal | None:
        age = now - chunk.stamp
        if chunk.stamp <= 0.0:
            return Refusal("refused_stamp_zero", "its stamp is zero")
        if age < -self._execution.max_future:
            return Refusal(
                "refused_stamp_future",
                f"its stamp is {-age:.3g} s in the future: do both nodes use the same clock?",
            )
        if age > self._execution.max_chunk_age:
            return Refusal(
                "refused_stamp_old",
                f"its stamp is {age:.3g} s old, max_chunk_age is {self._execution.max_chunk_age}",
            )
        return self._period_fault(chunk)

    def _period_fault(self, chunk: ActionChunk) -> Refusal | None:
        execution, period = self._execution, chunk.step_period
        if period > execution.max_step_period:
            return Refusal(
                "refused_step_period",
                f"step_period is {period:g} s, max_step_period is {execution.max_step_period:g}",
            )
        period = execution.control_period or period
        if period < execution.dt:
            return Refusal("refused_shape", f"step_period {period:g} s is below 1 / rate")
        duration = min(len(chunk.values), execution.execute_steps) * period
        if duration > execution.max_duration:
            return Refusal(
                "refused_duration",
                f"its rows last {duration:g} s, max_duration is {execution.max_duration:g}",
            )
        return None
