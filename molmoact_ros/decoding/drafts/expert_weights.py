# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Several guesses of one value, weighed by how good each was of late.

Each expert names one value. How far the truth lies from it (the residual) and how much each expert
is worth are learned while decoding, by online expectation maximisation with forgetting. What comes
out is a probability for every value near a guess: the width of a draft tree follows from it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_FORGET = 0.97  # of a residual's counts, per observation
_WEIGHT_RATE = 0.06
_PRIOR_COUNT = 6.0
_FLOOR = 1e-4  # probability of a value that no expert foresees
_MIN_PROBABILITY = 0.004
_MAX_CANDIDATES = 14
_LEAST_WEIGHT = 0.01  # an expert that was never right may become so
_VALUES = 256
_LARGEST_UNIT = 1e6


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


Guess = tuple[int, int, float]
"""An expert, a value that it foresees, and the share of its belief: 1 where it names only one."""


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

    def __init__(self, experts: Sequence[Expert], sources: Iterable[str]) -> None:
        """Start from the experts' priors.

        Args:
            experts: the guesses that will be given, in this order.
            sources: sources in use; experts of others are not used, and without "order" only
                exact guesses are drafted.
        """
        sources = frozenset(sources)
        self._sources = tuple(expert.source for expert in experts)
        self._used = tuple(source in sources for source in self._sources)
        prior = _Beliefs(
            [expert.weight for expert in experts], [_Kernel.prior(expert) for expert in experts]
        )
        self._beliefs: dict[Hashable, _Beliefs] = {None: prior}
        self._spread = "order" in sources

    def candidates(
        self, context: Hashable, parent: Hashable, guesses: Sequence[Guess]
    ) -> list[Candidate]:
        """Return likely values, best first.

        Args:
            context: which beliefs to use.
            parent: which beliefs stand in while the context was never seen.
            guesses: of the experts that have one.
        """
        beliefs = self._beliefs.get(context) or self._beliefs.get(parent) or self._beliefs[None]
        total = 0.0
        scores: dict[int, float] = {}
        best: dict[int, tuple[float, int, int]] = {}  # the largest part of each score
        weights, kernels = beliefs.weights, beliefs.kernels
        for expert, guess, share in guesses:
            if not self._used[expert]:
                continue
            weight = weights[expert] * share
            total += weight
            for residual, probability in kernels[expert].ranked or kernels[expert].rank():
                if residual and not self._spread:
                    continue
                value, part = guess + residual, weight * probability
                if value not in scores:
                    scores[value] = part
                    best[value] = part, expert, residual
                    continue
                scores[value] += part
                if part > best[value][0]:
                    best[value] = part, expert, residual
        least = _MIN_PROBABILITY * total
        ranked = sorted([(score, value) for value, score in scores.items() if score > least])
        return [
            Candidate(value, score / total, self._source(*best[value][1:]))
            for score, value in ranked[: -_MAX_CANDIDATES - 1 : -1]
        ]

    def _source(self, expert: int, residual: int) -> str:
        return "order" if residual else self._sources[expert]

    def learn(
        self, context: Hashable, parent: Hashable, guesses: Sequence[Guess], value: int
    ) -> None:
        """Take note of the value that came."""
        known = self._beliefs
        if parent not in known:
            known[parent] = known[None].copy()
        if context not in known:
            known[context] = known[parent].copy()
        used = [guess for guess in guesses if self._used[guess[0]]]
        if used:
            for key in {parent, context}:
                known[key].learn(used, value)


class _Beliefs:
    """How much each expert is worth, and how far its guesses lie from the truth."""

    def __init__(self, weights: list[float], kernels: list[_Kernel]) -> None:
        self.weights, self.kernels = weights, kernels

    def copy(self) -> _Beliefs:
        return _Beliefs(list(self.weights), [kernel.copy() for kernel in self.kernels])

    def learn(self, guesses: Sequence[Guess], value: int) -> None:
        """Share one observation among the experts that had a guess."""
        parts: dict[int, float] = {}
        nearest: dict[int, int] = {}
        for expert, guess, share in guesses:
            residual = value - guess
            part = self.weights[expert] * share * self.kernels[expert].probability(residual)
            parts[expert] = parts.get(expert, 0.0) + part
            nearest[expert] = min(nearest.get(expert, residual), residual, key=abs)
        total = sum(parts.values())
        for expert, part in parts.items():
            responsibility = part / total
            self.kernels[expert].learn(nearest[expert], responsibility)
            self.weights[expert] += _WEIGHT_RATE * (
                max(responsibility, _LEAST_WEIGHT) - self.weights[expert]
            )


class _Kernel:
    """How often the truth lay r beside the guess, for |r| <= radius, and elsewhere (last entry).

    Attributes:
        radius: largest |r| that is counted by itself.
        ranked: (r, probability), likeliest first, without what is too rare for a draft; empty
            until `rank` is called.
    """

    def __init__(self, radius: int, counts: list[float]) -> None:
        self.radius = radius
        self._counts, self._total = counts, sum(counts)
        self._unit = 1.0  # of a new observation; it grows instead of all counts shrinking
        self.ranked: list[tuple[int, float]] = []

    @classmethod
    def prior(cls, expert: Expert) -> _Kernel:
        radius, miss = expert.radius, 1.0 - expert.hit
        shares = [0.6 ** abs(r) if r else 0.0 for r in range(-radius, radius + 1)]
        near = 0.8 * miss if radius else 0.0
        total = sum(shares) or 1.0
        counts = [near * share / total for share in shares]
        counts[radius] = expert.hit
        return cls(radius, [_PRIOR_COUNT * c for c in (*counts, miss - near)])

    def copy(self) -> _Kernel:
        """Return the same shape with the weight of a prior, so that it learns quickly."""
        scale = _PRIOR_COUNT / self._total
        return _Kernel(self.radius, [count * scale for count in self._counts])

    def probability(self, residual: int) -> float:
        """Probability of one residual, never zero."""
        if abs(residual) <= self.radius:
            return max(_FLOOR, self._counts[residual + self.radius] / self._total)
        return max(_FLOOR, self._counts[-1] / self._total / _VALUES)

    def rank(self) -> list[tuple[int, float]]:
        """Fill and return `ranked`."""
        least = _MIN_PROBABILITY * self._total
        pairs = [
            (index - self.radius, count / self._total)
            for index, count in enumerate(self._counts[:-1])
            if count > least
        ]
        self.ranked = sorted(pairs, key=lambda pair: -pair[1])
        return self.ranked

    def learn(self, residual: int, responsibility: float) -> None:
        """Count one observation, as far as this expert answers for it."""
        amount = responsibility * self._unit
        self._counts[residual + self.radius if abs(residual) <= self.radius else -1] += amount
        self._total += amount
        self._unit /= 1.0 - (1.0 - _FORGET) * responsibility
        self.ranked = []
        if self._unit > _LARGEST_UNIT:
            self._counts = [count / self._unit for count in self._counts]
            self._total, self._unit = sum(self._counts), 1.0
