# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The clock that stamps are compared with: how far it went, whether it stands still or jumped."""

from __future__ import annotations

from dataclasses import dataclass

_MOST_PERIODS = 3  # control periods that one step makes up for at most after a late call


@dataclass(frozen=True)
class Advance:
    """What the clock did since the last call.

    Attributes:
        motion: s that the motion moves on by; never more than ``elapsed`` while the clock runs.
        elapsed: s that the clock went on, >= 0.
        jumped_back: s that it went backwards, 0: it did not.
    """

    motion: float
    elapsed: float = 0.0
    jumped_back: float = 0.0


class ClockWatch:
    """Turns readings of the clock, one per loop, into time for the motion."""

    def __init__(self, dt: float, timeout: float) -> None:
        """Control periods of ``dt``; standing still for ``timeout`` is a fault. Both in s."""
        self._dt = dt
        self._timeout = timeout
        self._last: float | None = None
        self._still = 0.0  # s that the clock has not moved

    @property
    def stands_still(self) -> bool:
        """Whether it has stood still for longer than the timeout."""
        return self._still >= self._timeout

    def advance(self, now: float) -> Advance:
        """Take a reading; called once per control period of the loop."""
        before, self._last = self._last, now
        if before is None or now < before:
            self._still = 0.0
            return Advance(self._dt, jumped_back=0.0 if before is None else before - now)
        elapsed = now - before
        if elapsed == 0.0:
            self._still += self._dt
            # The loop itself is the only clock left: enough to slow down by.
            return Advance(self._dt if self.stands_still else 0.0)
        self._still = 0.0
        return Advance(min(elapsed, _MOST_PERIODS * self._dt), elapsed)
