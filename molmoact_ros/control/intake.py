# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether a chunk may be executed at all, before anything is computed from it."""

from __future__ import annotations

from .chunk import ActionChunk, Refusal, chunk_fault
from .execution import Execution
from .mapping import ActionMapping
from .sequence import SequenceGuard


class Intake:
    """Checks chunks in this order: form, meaning, trust, time, sequence."""

    def __init__(self, mapping: ActionMapping, execution: Execution) -> None:
        self._mapping = mapping
        self._execution = execution
        self.sequence = SequenceGuard()

    def check(self, chunk: ActionChunk, now: float) -> Refusal | None:
        """Return why a chunk is refused, None where it may be executed."""
        return (
            chunk_fault(chunk, self._execution.max_horizon)
            or self._mapping.name_fault(chunk)
            or self._trust_fault(chunk)
            or self._time_fault(chunk, now)
            or self.sequence.check(chunk.sequence, chunk.stamp, now)
        )

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
        if self._period(chunk) < self._execution.dt:
            return Refusal("refused_shape", f"step_period {chunk.step_period} s is below 1 / rate")
        return None

    def _period(self, chunk: ActionChunk) -> float:
        return self._execution.control_period or chunk.step_period
