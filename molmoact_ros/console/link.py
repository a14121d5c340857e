# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether a page keeps up: what it has confirmed, and how old a command is when it arrives."""

from __future__ import annotations

from collections import deque

_FRESH = 1.5  # s from the tick that a page had when a command was given to the command's arrival
_AHEAD = 3  # ticks that may be on their way; a page that does not keep up gets fewer
_AGAIN = 1.0  # s after which one more is sent all the same


class Link:
    """The ticks of one page, five a second where it keeps up. Times are s of `time.monotonic`."""

    def __init__(self) -> None:
        self._sent: deque[tuple[int, float]] = deque([(0, 0.0)], maxlen=64)
        self._confirmed = 0

    def next_tick(self, now: float) -> int | None:
        """Return the number of the next tick, None while the page has enough to do."""
        number, at = self._sent[-1]
        if number - self._confirmed >= _AHEAD and now - at < _AGAIN:
            return None
        self._sent.append((number + 1, now))
        return number + 1

    def confirm(self, tick: int) -> None:
        """Note which tick the page has shown."""
        if self._confirmed < tick <= self._sent[-1][0]:
            self._confirmed = tick

    def is_fresh(self, tick: int, now: float) -> bool:
        """Return whether a command that was given at a tick is a wish of the present."""
        return any(number == tick and now - at <= _FRESH for number, at in self._sent if number)
