# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""When the loop has to run again, and how well it kept that."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class LoopStatistics:
    """The loop over the last second.

    Attributes:
        rate: Hz.
        jitter: s, largest deviation of a start from its due time.
        real_time_factor: s of the stamps' clock per s of wall time; 1 unless time is simulated.
    """

    rate: float = 0.0
    jitter: float = 0.0
    real_time_factor: float = 1.0


class Pacer:
    """Due times on a fixed grid; a start that comes too late shifts the grid, nothing piles up."""

    def __init__(self, period: float) -> None:
        """Run once per `period`, s."""
        self._period = period
        self._due: float | None = None
        self._starts: deque[tuple[float, float, float]] = deque()  # steady, clock, lateness

    def wait(self, steady: float) -> float:
        """Return how long to sleep until the next start, s >= 0."""
        return 0.0 if self._due is None else max(0.0, self._due - steady)

    def start(self, steady: float, clock: float) -> float:
        """Note a start.

        Args:
            steady: s of a clock that never jumps.
            clock: s of the clock that stamps are compared with.

        Returns:
            How late it is, s.
        """
        due = steady if self._due is None else self._due
        late = steady - due
        self._due = due + self._period if late < self._period else steady + self._period
        self._starts.append((steady, clock, late))
        while self._starts[0][0] < steady - 1.0:
            self._starts.popleft()
        return late

    def statistics(self) -> LoopStatistics:
        """Return the figures of the last second."""
        if len(self._starts) < 2:
            return LoopStatistics()
        (first, clock_first, _), (last, clock_last, _) = self._starts[0], self._starts[-1]
        return LoopStatistics(
            rate=(len(self._starts) - 1) / (last - first),
            jitter=max(abs(late) for _, _, late in self._starts),
            real_time_factor=(clock_last - clock_first) / (last - first),
        )
