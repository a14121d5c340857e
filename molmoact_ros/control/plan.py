# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The chunk that is executed: which of its rows, when, and how it follows the one before."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from .chunk import ActionChunk
from .reference import Reference, Setpoint, blended


@dataclass(frozen=True)
class Plan:
    """One chunk on the clock.

    Attributes:
        chunk: As it came.
        reference: Its path.
        origin: s on the clock at which its first row starts (or would have started).
        last_row: The last row that is executed.
    """

    chunk: ActionChunk
    reference: Reference
    origin: float
    last_row: int

    @property
    def end(self) -> float:
        """When the last row is over, s on the clock."""
        return self.origin + (self.last_row + 1) * self.reference.period

    def row(self, now: float) -> int:
        """Return the row that is executed now."""
        return min(self.reference.row(now - self.origin), self.last_row)

    def rows_remaining(self, now: float) -> int:
        """Return the rows that are not over yet."""
        return max(0, self.last_row + 1 - self.reference.row(now - self.origin))

    def final_target(self) -> Setpoint:
        """Return rest at the end of the last row."""
        row = self.last_row
        velocity = np.zeros_like(self.reference.velocities[row])
        return Setpoint(velocity, self.reference.knots[row + 1] if self.reference.knots else None)


def make_plan(
    chunk: ActionChunk, reference: Reference, elapsed: float, execute_steps: int, now: float
) -> Plan | None:
    """Put a chunk on the clock.

    Args:
        chunk: As it came.
        reference: Its path.
        elapsed: s of motion since the chunk's image was taken: that much of it is already done.
        execute_steps: Rows that are executed at most.
        now: s.

    Returns:
        The plan, or None if all rows are already done.
    """
    first, rows = reference.row(elapsed), len(reference.velocities)
    if first >= rows:
        return None
    return Plan(chunk, reference, now - elapsed, min(first + execute_steps, rows) - 1)


class Schedule:
    """The plan that is executed and the one that it fades in over."""

    def __init__(self, blend_steps: float, memory: float) -> None:
        """Blend over this many rows; remember motion for ``memory`` s."""
        self._blend_steps = blend_steps
        self._memory = memory
        self._moved: deque[tuple[float, float]] = deque()
        self.clear()

    def clear(self) -> None:
        """Have no plan."""
        self.plan: Plan | None = None
        self._before: Plan | None = None
        self._replaced_at = 0.0

    def forget_time(self) -> None:
        """Drop the plan and the memory of motion, e.g. after a jump of the clock."""
        self.clear()
        self._moved.clear()

    def replace(self, plan: Plan, now: float) -> None:
        """Execute a newer plan from now on."""
        is_over = self.plan is None or now >= self.plan.end
        self._before = None if is_over else self.plan
        self._replaced_at, self.plan = now, plan

    def sample(self, now: float) -> Setpoint:
        """Return what is wanted now; there must be a plan."""
        assert self.plan is not None
        if now >= self.plan.end:
            return self.plan.final_target()
        wanted = self.plan.reference.sample(now - self.plan.origin)
        duration = self._blend_steps * self.plan.reference.period
        since = now - self._replaced_at
        if self._before is None or since >= duration:
            return wanted
        old = self._before.reference.sample(now - self._before.origin)
        return blended(old, wanted, since / duration)

    def note_motion(self, start: float, end: float) -> None:
        """Remember that the plan was followed from ``start`` to ``end``, s on the clock."""
        if self.plan is not None:
            end = min(end, self.plan.end)
        if end <= start:
            return
        if self._moved and start - self._moved[-1][1] < 1e-6:
            start = self._moved.pop()[0]
        self._moved.append((start, end))
        while self._moved[0][1] < end - self._memory:
            self._moved.popleft()

    def motion_since(self, stamp: float) -> float:
        """Return for how long rows were executed since ``stamp``, s."""
        return sum(max(0.0, end - max(start, stamp)) for start, end in self._moved)
