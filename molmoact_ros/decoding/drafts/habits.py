# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What came earlier in the same surroundings, as guesses of what comes now."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Hashable, Sequence

from .expert_weights import Expert, Guess

_SEEN = (0.0, 1.5, 4.0)  # times that surroundings were seen, from which on another expert answers
_FORGET = 0.95  # of what came in the same surroundings before, each time
_MOST_VALUES = 4  # that are remembered of the same surroundings
_MOST_KEYS = 20_000  # of each kind, in memory


class Habits:
    """Counts values by several kinds of surroundings.

    Each kind has an expert for how often its surroundings were seen: once is a rumour.

    Attributes:
        experts: of all kinds, to stand behind a predictor's other experts.
    """

    def __init__(self, first: int, kinds: int) -> None:
        """Forget everything.

        Args:
            first: index of the first of these experts among all of the predictor.
            kinds: of surroundings.
        """
        self.experts = (Expert("time", 0.05, 0.40),) * (kinds * len(_SEEN))
        self._first = first
        self._known: list[dict[Hashable, dict[int, float]]] = [{} for _ in range(kinds)]

    def guesses(self, surroundings: Sequence[Hashable]) -> list[Guess]:
        """Return what came in these surroundings, one of each kind."""
        guesses: list[Guess] = []
        for kind, (known, key) in enumerate(zip(self._known, surroundings, strict=True)):
            if counts := known.get(key):
                total = sum(counts.values())
                expert = self._first + kind * len(_SEEN) + bisect(_SEEN, total) - 1
                guesses += [(expert, value, n / total) for value, n in counts.items()]
        return guesses

    def learn(self, surroundings: Sequence[Hashable], value: int) -> None:
        """Count what came in these surroundings."""
        for known, key in zip(self._known, surroundings, strict=True):
            if len(known) >= _MOST_KEYS and key not in known:
                del known[next(iter(known))]
            counts = {other: n * _FORGET for other, n in known.get(key, {}).items()}
            counts[value] = counts.get(value, 0.0) + 1.0
            if len(counts) > _MOST_VALUES:
                del counts[min(counts, key=lambda other: counts[other])]
            known[key] = counts
