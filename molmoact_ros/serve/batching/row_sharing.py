# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Who gets how many rows of a pass: by what a row promises, and by whose chunk ends first."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence

_SOONEST = 0.01  # s; a chunk that ends sooner counts as one that ends then
_LEAST_WEIGHT = 0.25  # of a robot that has time, so that it is not left with its root alone


def urgencies(deadlines: Sequence[float | None], now: float) -> list[float]:
    """How much a row counts for each robot: 1 for the one whose chunk ends first.

    A robot with twice as much time left counts half as much, so rows go where they promise most
    tokens for each second that is left. A chunk that has ended cannot be saved any more: its robot
    stands still, and counts as one without a deadline.

    Args:
        deadlines: when each robot's chunk ends, s; None: not known.
        now: by the same clock, s.

    Returns:
        0.25 to 1 for each; all are 1 where no deadline is known.
    """
    left = [None if d is None or d <= now else max(d - now, _SOONEST) for d in deadlines]
    known = [seconds for seconds in left if seconds is not None]
    if not known:
        return [1.0] * len(left)
    soonest = min(known)
    return [_LEAST_WEIGHT if s is None else max(soonest / s, _LEAST_WEIGHT) for s in left]


def share_rows(
    chances: Sequence[Iterable[float]], weights: Sequence[float], rows: int
) -> list[int]:
    """Give every answer one row, and each further row to the guess that is worth most.

    Args:
        chances: for each answer the probability that its next guess is confirmed, largest first;
            read only as far as rows are given, as guesses cost time.
        weights: what a confirmed token counts for each answer, above 0.
        rows: of the pass, at least one for each answer.

    Returns:
        Rows of each answer, that of its last token included.
    """
    shares = [1] * len(chances)
    heap: list[tuple[float, int, Iterator[float]]] = []
    for answer, guesses in enumerate(chances):
        _offer(heap, answer, weights[answer], iter(guesses))
    for _ in range(rows - len(shares)):
        if not heap:
            break
        _, answer, guesses = heapq.heappop(heap)
        shares[answer] += 1
        _offer(heap, answer, weights[answer], guesses)
    return shares


def _offer(
    heap: list[tuple[float, int, Iterator[float]]],
    answer: int,
    weight: float,
    guesses: Iterator[float],
) -> None:
    chance = next(guesses, None)
    if chance is not None:
        heapq.heappush(heap, (-weight * chance, answer, guesses))
