# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""When the loop has to run again, what must not delay it, and how well it kept that."""

from __future__ import annotations

import gc
import os
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rclpy.impl.rcutils_logger import RcutilsLogger


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


def take_priority(priority: int, logger: RcutilsLogger) -> None:
    """Run this thread, and those that it starts, with SCHED_FIFO where that is permitted.

    Args:
        priority: 1 .. 99; 0: leave it as it is.
        logger: Logs where it is not permitted.
    """
    if priority == 0:
        return
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except (AttributeError, OSError) as error:
        logger.info(
            f"running with ordinary priority ({error}); a busy machine may delay commands. "
            "To permit realtime_priority, give this user an rtprio in /etc/security/limits.conf"
        )


def freeze_objects() -> None:
    """Exclude all present objects, mostly those of imported modules, from garbage collections.

    A full collection of them holds the GIL for 12 to 33 ms, at any moment of a motion.
    """
    gc.unfreeze()  # what an earlier call left may be garbage by now
    gc.collect()
    gc.freeze()
