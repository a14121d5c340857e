# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The clock that stamps are compared with: how far it went, whether it stands still or jumped."""

from __future__ import annotations

from dataclasses import dataclass

_MOST_TICKS = 3  # control periods that one step makes up for at most after a late call
# Share of a period that a call may come early: one tick per call under ordinary jitter.
_EARLY = 0.1


@dataclass(frozen=True)
class Advance:
    """What the clock did since the last call.

    Attributes:
        ticks: Control periods to move on by.
        jumped_back: s that it went backwards, 0: it did not.
    """

    ticks: int
    jumped_back: float = 0.0


class ClockWatch:
    """Turns readings of the clock, one per loop, into whole control periods."""

    def __init__(self, dt: float, timeout: float) -> None:
        """Periods of ``dt``; standing still for ``timeout`` is a fault. Both in s."""
        self._dt = dt
        self._timeout = timeout
        self._last: float | None = None
        self._ticked = 0.0  # the clock when the motion moved on last
        self._still = 0.0  # s that the clock has not moved

    @property
    def stands_still(self) -> bool:
        """Whether it has stood still for longer than the timeout."""
        return self._still >= self._timeout

    def advance(self, now: float) -> Advance:
        """Take a reading; called once per control period of the loop."""
        before, self._last = self._last, now
        if before is None or now < before:
            self._ticked, self._still = now, 0.0
            return Advance(1, jumped_back=0.0 if before is None else before - now)
        if now == before:
            self._still += self._dt
            # The loop itself is the only clock left: enough to slow down by.
            return Advance(1 if self.stands_still else 0)
        self._still = 0.0
        # Fractions are not saved up: two commands are never further apart in velocity than the
        # time between them allows.
        due = int((now - self._ticked) / self._dt + _EARLY)
        if due > 0:
            self._ticked = now
        return Advance(min(due, _MOST_TICKS))
