# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The measured positions of the last seconds, to look up where the robot was at a stamp."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque

from .reference import Position, interpolated


class StateHistory:
    """Stamped positions in order of time."""

    def __init__(self, seconds: float) -> None:
        """Keep at least the last ``seconds``."""
        self._seconds = seconds
        self._entries: deque[tuple[float, Position]] = deque()

    def clear(self) -> None:
        """Forget everything, e.g. after a jump of the clock."""
        self._entries.clear()

    def add(self, stamp: float, position: Position) -> bool:
        """Add a position; one that is not newer than the last is not taken (False)."""
        if self._entries and stamp <= self._entries[-1][0]:
            return False
        self._entries.append((stamp, position))
        while self._entries[0][0] < stamp - self._seconds:
            self._entries.popleft()
        return True

    @property
    def latest(self) -> tuple[float, Position] | None:
        """The newest stamp, s, and position."""
        return self._entries[-1] if self._entries else None

    def at(self, stamp: float, tolerance: float) -> Position | None:
        """Return the interpolated position at ``stamp``; None if none is within ``tolerance``."""
        entries = self._entries
        after = bisect_left(entries, stamp, key=lambda entry: entry[0])
        if after == len(entries):
            close = entries and stamp - entries[-1][0] <= tolerance
            return entries[-1][1] if close else None
        if after == 0:
            return entries[0][1] if entries[0][0] - stamp <= tolerance else None
        (t0, before), (t1, behind) = entries[after - 1], entries[after]
        if min(stamp - t0, t1 - stamp) > tolerance:
            return None
        return interpolated(before, behind, (stamp - t0) / (t1 - t0))
