# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Statistics of columns and pictures, as LeRobot and as MolmoAct keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}


@dataclass(frozen=True)
class Statistics:
    """Of one column or camera.

    Attributes:
        values: min, max, mean, std and the quantiles, each ``[D]`` or ``[3, 1, 1]``.
        count: Number of rows.
    """

    values: Mapping[str, np.ndarray]
    count: int

    def as_json(self) -> dict[str, Any]:
        """Return them as LeRobot writes them."""
        return {**{k: v.tolist() for k, v in self.values.items()}, "count": [self.count]}


def statistics(values: np.ndarray) -> Statistics:
    """Return the statistics of a column ``[T]`` or ``[T, D]``."""
    rows = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    return Statistics(_of(rows), len(rows))


def picture_statistics(pictures: Sequence[np.ndarray]) -> Statistics:
    """Return the statistics of pictures, RGB uint8, by channel, 0..1."""
    pixels = np.concatenate([picture.reshape(-1, 3) for picture in pictures]) / 255.0
    channels = {key: value.reshape(3, 1, 1) for key, value in _of(pixels).items()}
    return Statistics(channels, len(pictures))


def aggregated(parts: Sequence[Mapping[str, Statistics]]) -> dict[str, Statistics]:
    """Join the statistics of episodes; quantiles by the weighted mean, as LeRobot does."""
    return {key: _joined([part[key] for part in parts]) for key in parts[0]}


def norm_stats(
    actions: np.ndarray, state: np.ndarray, gripper: bool, trajectories: int
) -> dict[str, Any]:
    """Return an entry of a checkpoint's norm_stats.

    Args:
        actions: ``[N, D]`` of the training episodes.
        state: ``[N, S]`` likewise.
        gripper: Whether the last column of the actions is a gripper, which is not scaled.
        trajectories: Number of episodes.
    """
    keys = ("mean", "std", "min", "max", "q01", "q99")
    of_actions, of_state = _of(actions), _of(state)
    mask = [True] * actions.shape[1]
    mask[-1] = not gripper
    return {
        "action": {**{key: of_actions[key].tolist() for key in keys}, "mask": mask},
        "proprio": {key: of_state[key].tolist() for key in keys},
        "num_transitions": len(actions),
        "num_trajectories": trajectories,
    }


def _of(rows: np.ndarray) -> dict[str, np.ndarray]:
    found = {
        "min": rows.min(axis=0),
        "max": rows.max(axis=0),
        "mean": rows.mean(axis=0),
        "std": rows.std(axis=0),
    }
    values = np.quantile(rows, list(QUANTILES.values()), axis=0)
    return found | dict(zip(QUANTILES, values, strict=True))


def _joined(parts: Sequence[Statistics]) -> Statistics:
    weights = np.array([part.count for part in parts], dtype=np.float64)
    weights /= weights.sum()

    def stack(key: str) -> np.ndarray:
        return np.stack([part.values[key] for part in parts])

    def weighted(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.tensordot(weights, values, axes=1))

    mean = weighted(stack("mean"))
    variance = weighted(stack("std") ** 2 + (stack("mean") - mean) ** 2)
    joined = {
        "min": stack("min").min(axis=0),
        "max": stack("max").max(axis=0),
        "mean": mean,
        "std": np.sqrt(variance),
        **{key: weighted(stack(key)) for key in QUANTILES},
    }
    return Statistics(joined, sum(part.count for part in parts))
