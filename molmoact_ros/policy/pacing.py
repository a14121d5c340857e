# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""When to look at the scene again, so that answers arrive before their actions are over."""

from __future__ import annotations

import math
from collections.abc import Callable

# A chunk of length T and inferences of length L: looking again at once moves for T - L of every
# L seconds, looking after the chunk for T of every T + L. The first is more while L / T < 0.618.
_WORTH_OVERLAPPING = 0.618


def pause_after_answer(chunk_seconds: float, inference_seconds: float) -> float:
    """Return how long to wait before the next look, s.

    An inference that takes about as long as the chunk before it lasts answers for an image from
    before the chunk's motion: when the answer comes, all of its rows are done already and the
    executor drops them. Then it is better to let the chunk end and to look after that.

    Args:
        chunk_seconds: How long the rows of the last answer are executed, s; 0 where they are not.
        inference_seconds: How long the last inference took, s.
    """
    overlaps = inference_seconds < _WORTH_OVERLAPPING * chunk_seconds
    return 0.0 if overlaps else chunk_seconds


class Pacing:
    """When an inference may start, by a clock that may be reset.

    Attributes:
        started: When the last inference started, s; minus infinity: there was none.
    """

    def __init__(self, chunk_seconds: float, period: Callable[[], float]) -> None:
        """Allow an inference at once.

        Args:
            chunk_seconds: How long the rows of one answer are executed, s.
            period: Returns the least time between the starts of two inferences, s.
        """
        self._chunk_seconds = chunk_seconds
        self._period = period
        self.reset()

    def reset(self) -> None:
        """Allow an inference at once."""
        self.started = self._pause_ends = self._chunk_ends = -math.inf

    def is_early(self, now: float) -> bool:
        """Return whether the next inference has to wait."""
        return (
            0.0 <= now - self.started < self._period()
            or 0.0 < self._pause_ends - now <= self._chunk_seconds
        )

    def note_chunk(self, now: float) -> None:
        """Note that the last inference has ended with actions that are executed."""
        self._pause_ends = now + pause_after_answer(self._chunk_seconds, now - self.started)
        self._chunk_ends = self.started + self._chunk_seconds

    def seconds_left(self, now: float) -> float | None:
        """Return for how long the last chunk is still executed, s; None: it is done."""
        left = self._chunk_ends - now
        return left if 0.0 < left <= self._chunk_seconds else None

    @property
    def longest_wait(self) -> float:
        """How long an inference may have to wait after the one before, s."""
        return self._period() + self._chunk_seconds
