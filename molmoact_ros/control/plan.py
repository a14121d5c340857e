# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The chunk that is executed: which of its rows, when, and how it follows the one before."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from .chunk import ActionChunk
from .reference import Reference, Setpoint, blended


@dataclass(frozen=True)
class Plan:
    """One chunk on the clock.

    Attributes:
        chunk: As it came.
        reference: Its path.
        origin: s on the clock at which its first row starts (or would have started).
        end: s on the clock after which no more of it is executed.
    """

    chunk: ActionChunk
    reference: Reference
    origin: float
    end: float

    def step(self, now: float) -> int:
        """Return the row that is executed now."""
        last = self.reference.row(self.end - self.origin) - 1
        return max(0, min(self.reference.row(now - self.origin), last))

    def steps_remaining(self, now: float) -> int:
        """Return the rows that are not finished yet."""
        return max(0, self.reference.row(self.end - self.origin) - self.step(now))


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
    first = reference.row(elapsed)
    rows = len(reference.velocities)
    if first >= rows:
        return None
    end = min(first + execute_steps, rows) * reference.period
    return Plan(chunk, reference, now - elapsed, now - elapsed + end)


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
        self._before, self._replaced_at, self.plan = self.plan, now, plan

    def sample(self, now: float) -> Setpoint:
        """Return what is wanted now; there must be a plan."""
        assert self.plan is not None
        wanted = self.plan.reference.sample(now - self.plan.origin)
        if self._before is None:
            return wanted
        duration = self._blend_steps * self.plan.reference.period
        since = now - self._replaced_at
        if since >= duration:
            self._before = None
            return wanted
        old = self._before.reference.sample(now - self._before.origin)
        return blended(old, wanted, since / duration)

    def note_motion(self, start: float, end: float) -> None:
        """Remember that rows were executed from ``start`` to ``end``, s on the clock."""
        if self._moved and abs(self._moved[-1][1] - start) < 1e-9:
            start = self._moved.pop()[0]
        self._moved.append((start, end))
        while self._moved[0][1] < end - self._memory:
            self._moved.popleft()

    def motion_since(self, stamp: float) -> float:
        """Return for how long rows were executed since ``stamp``, s."""
        return sum(max(0.0, end - max(start, stamp)) for start, end in self._moved)
