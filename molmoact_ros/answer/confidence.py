# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How sure the model is of its actions, read from the softmax over the action bins.

The order of the bins is the order of the values, so this softmax is a distribution over values:
it has a mean and a spread (design: a value is one token, as with the `byte_level` codebook).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molmoact_ros.answer.actions import ActionTokenizer
from molmoact_ros.answer.stats import ActionStats

NEAR_BINS = 8  # bins on either side that count as "the same value": 1/16 of the range in all


@dataclass(frozen=True)
class ActionDistribution:
    """The model's distribution over action values; T rows of D values.

    Attributes:
        confidence: 0..1, mean over all values of the probability that lies within `NEAR_BINS` bins
            of the most probable one.
        expectation: float64 [T, D], the mean of each value in robot units. A dimension that the
            statistics do not scale (the gripper) keeps its most probable value: the mean of
            "open" and "closed" is neither.
        spread: float64 [T, D], standard deviation of each value in robot units.
    """

    confidence: float
    expectation: NDArray[np.float64]
    spread: NDArray[np.float64]


def action_distribution(
    probes: Mapping[int, NDArray[np.float32]],
    n_rows: int,
    stats: ActionStats,
    tokenizer: ActionTokenizer,
) -> ActionDistribution | None:
    """Turn the probabilities at the action tokens into a distribution over actions.

    Args:
        probes: Position in the answer -> float32 [256], softmax over the bins, ascending bins.
        n_rows: Action rows that the answer holds.
        stats: Statistics of the action, D values a row.
        tokenizer: Codebook that the bins belong to.

    Returns:
        None unless there is exactly one probe for each value: a value that takes several tokens
        has no such distribution, and an answer with stray action tokens no certain alignment.
    """
    if n_rows == 0 or len(probes) != n_rows * stats.dof:
        return None
    p = np.stack([probes[position] for position in sorted(probes)]).astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    mean = p @ tokenizer.values
    variance = p @ tokenizer.values**2 - mean**2
    best = p.argmax(axis=1)
    near = np.abs(np.arange(p.shape[1]) - best[:, None]) <= NEAR_BINS
    shape = (n_rows, stats.dof)
    value = np.where(stats.mask, mean.reshape(shape), tokenizer.values[best].reshape(shape))
    unit = np.where(stats.mask, 0.5 * (stats.q99 - stats.q01).astype(np.float64), 1.0)
    return ActionDistribution(
        confidence=float((p * near).sum(axis=1).mean()),
        expectation=stats.unnormalize(value),
        spread=np.sqrt(np.maximum(variance, 0.0)).reshape(shape) * unit,
    )


def single_token_bins(
    vocabulary: Mapping[str, int], action_tokenizer: ActionTokenizer
) -> list[int] | None:
    """Token ids of the 256 bins, ascending, or None where a value takes several tokens."""
    ids = [vocabulary.get(string) for string in action_tokenizer.strings]
    if action_tokenizer.codebook != "byte_level" or None in ids:
        return None
    return [token for token in ids if token is not None]
