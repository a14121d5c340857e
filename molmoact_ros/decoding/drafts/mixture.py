# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Several guesses of one value, weighed by how good each was of late.

Each expert names one value. How far the truth lies from it (the residual) and how much each expert
is worth are learned while decoding, by online expectation maximisation with forgetting. What comes
out is a probability for every value near a guess: the width of a draft tree follows from it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_FORGET = 0.97  # of a residual's counts, per observation
_WEIGHT_RATE = 0.06
_PRIOR_COUNT = 6.0
_FLOOR = 1e-4  # probability of a value that no expert foresees
_MIN_PROBABILITY = 0.004
_MAX_CANDIDATES = 14


@dataclass(frozen=True)
class Expert:
    """One way to guess a value, with what is believed of it before anything was measured.

    Attributes:
        source: the draft source that it belongs to.
        weight: prior share in the mixture.
        hit: prior probability that the guess is exact.
        radius: largest residual that is drafted; 0 where values have no order.
    """

    source: str
    weight: float
    hit: float
    radius: int = 0


class Candidate(NamedTuple):
    """A value that may come, its probability, and the source to credit."""

    value: int
    probability: float
    source: str


class Mixture:
    """Learned mixture of experts, one set of beliefs per context.

    A context's beliefs start as a copy of its parent's: what holds for all columns is the first
    guess for each.
    """

    def __init__(self, experts: Sequence[Expert]) -> None:
        self.experts = tuple(experts)
        self._beliefs: dict[Hashable, _Beliefs] = {None: _Beliefs(self.experts)}

    def candidates(
        self,
        context: Hashable,
        parent: Hashable,
        guesses: Sequence[int | None],
        sources: frozenset[str],
    ) -> list[Candidate]:
        """Likely values, best first.

        Args:
            context: which beliefs to use.
            parent: which beliefs stand in while the context was never seen.
            guesses: one per expert, None where an expert has nothing to say.
            sources: sources in use; without "order" only exact guesses are drafted.
        """
        beliefs = self._beliefs.get(context) or self._beliefs.get(parent) or self._beliefs[None]
        spread = "order" in sources
        scores: dict[int, float] = {}
        credit: dict[int, tuple[float, str]] = {}
        for guess, share, expert, kernel in self._active(beliefs, guesses, sources):
            for residual, probability in kernel.ranked():
                if residual and not spread:
                    continue
                value, part = guess + residual, share * probability
                scores[value] = scores.get(value, 0.0) + part
                if part > credit.get(value, (0.0, ""))[0]:
                    credit[value] = (part, "order" if residual else expert.source)
        ranked = sorted(scores.items(), key=lambda item: -item[1])[:_MAX_CANDIDATES]
        return [
            Candidate(value, score, credit[value][1])
            for value, score in ranked
            if score > _MIN_PROBABILITY
        ]

    def learn(
        self,
        context: Hashable,
        parent: Hashable,
        guesses: Sequence[int | None],
        sources: frozenset[str],
        value: int,
    ) -> None:
        """Take note of the value that came."""
        for key, above in ((None, None), (parent, None), (context, parent)):
            if key not in self._beliefs:
                self._beliefs[key] = self._beliefs[above].copy()
        for key in {None, parent, context}:
            beliefs = self._beliefs[key]
            active = list(self._active(beliefs, guesses, sources))
            parts = [share * kernel.probability(value - g) for g, share, _, kernel in active]
            total = sum(parts)
            for (guess, _, expert, kernel), part in zip(active, parts, strict=True):
                responsibility = part / total
                kernel.learn(value - guess, responsibility)
                index = self.experts.index(expert)
                old = beliefs.weights[index]
                beliefs.weights[index] = old + _WEIGHT_RATE * (max(responsibility, 0.01) - old)

    def _active(
        self, beliefs: _Beliefs, guesses: Sequence[int | None], sources: frozenset[str]
    ) -> list[tuple[int, float, Expert, _Kernel]]:
        rows = [
            (guess, weight, expert, kernel)
            for guess, weight, expert, kernel in zip(
                guesses, beliefs.weights, self.experts, beliefs.kernels, strict=True
            )
            if guess is not None and expert.source in sources
        ]
        total = sum(row[1] for row in rows)
        return [(guess, weight / total, expert, kernel) for guess, weight, expert, kernel in rows]


class _Beliefs:
    def __init__(self, experts: Sequence[Expert]) -> None:
        self.weights = [expert.weight for expert in experts]
        self.kernels = [_Kernel.prior(expert) for expert in experts]

    def copy(self) -> _Beliefs:
        twin = _Beliefs(())
        twin.weights = list(self.weights)
        twin.kernels = [_Kernel(kernel.radius, kernel.start()) for kernel in self.kernels]
        return twin


class _Kernel:
    """How often the truth lay r beside the guess, for |r| <= radius, and elsewhere (last entry)."""

    def __init__(self, radius: int, counts: list[float]) -> None:
        self.radius, self._counts = radius, counts
        self._ranked: list[tuple[int, float]] | None = None

    @classmethod
    def prior(cls, expert: Expert) -> _Kernel:
        radius, miss = expert.radius, 1.0 - expert.hit
        shares = [0.6 ** abs(r) if r else 0.0 for r in range(-radius, radius + 1)]
        near = 0.8 * miss if radius else 0.0
        total = sum(shares) or 1.0
        counts = [near * share / total for share in shares]
        counts[radius] = expert.hit
        return cls(radius, [_PRIOR_COUNT * c for c in (*counts, miss - near)])

    def start(self) -> list[float]:
        """Counts for a copy, scaled back to the weight of a prior so that it learns quickly."""
        total = sum(self._counts)
        return [_PRIOR_COUNT * count / total for count in self._counts]

    def probability(self, residual: int) -> float:
        """Probability of one residual, never zero."""
        total = sum(self._counts)
        if abs(residual) <= self.radius:
            return max(_FLOOR, self._counts[residual + self.radius] / total)
        return max(_FLOOR, self._counts[-1] / total / 256)

    def ranked(self) -> list[tuple[int, float]]:
        """(residual, probability), likeliest first, without what is not worth a draft."""
        if self._ranked is None:
            total = sum(self._counts)
            pairs = [
                (index - self.radius, count / total)
                for index, count in enumerate(self._counts[:-1])
                if count / total > _MIN_PROBABILITY
            ]
            self._ranked = sorted(pairs, key=lambda pair: -pair[1])
        return self._ranked

    def learn(self, residual: int, responsibility: float) -> None:
        """Count one observation, as far as this expert answers for it."""
        forget = 1.0 - (1.0 - _FORGET) * responsibility
        self._counts = [count * forget for count in self._counts]
        near = abs(residual) <= self.radius
        self._counts[residual + self.radius if near else -1] += responsibility
        self._ranked = None
