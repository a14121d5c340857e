# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether an answer asks for motion at all: the only sign of a finished task that answers give.

No checkpoint says that it is done. One that has reached its goal writes a path that ends where it
begins, and actions that lead nowhere. The tabletop checkpoint at its block writes paths of 3 to 5
units and mean actions of 0.01 to 0.05, in one of four scenes 0.08; on its way there 0.2 to 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molmoact_ros.answer.stats import ActionStats


@dataclass(frozen=True)
class RestLimits:
    """Below which an answer is at rest.

    Attributes:
        path: length of the predicted trajectory, 0..255 units.
        motion: share of half the range q99 - q01 of any scaled dimension: of the mean over the
            rows for changes, of the rows' largest difference for absolute targets.
    """

    path: float = 8.0
    motion: float = 0.05


def is_at_rest(
    actions: NDArray[np.float64],
    stats: ActionStats,
    trajectory: NDArray[np.float64] | None,
    *,
    delta_actions: bool,
    limits: RestLimits | None = None,
) -> bool:
    """Return whether an answer leads nowhere; the gripper may still open or close.

    Args:
        actions: [T, D] in robot units, finite.
        stats: statistics that they were un-normalised with.
        trajectory: [K, 2], 0..255, as predicted; None where a person drew it, so that it says
            nothing about what the model intends.
        delta_actions: whether actions are changes, not targets.
        limits: where to draw the line; None: defaults.
    """
    limits = limits or RestLimits()
    half = 0.5 * (stats.q99 - stats.q01).astype(np.float64)
    scaled = stats.mask & (half > 0)
    shares = np.asarray(actions, dtype=np.float64)[:, scaled] / half[scaled]
    if shares.size == 0:
        return False
    motion = np.abs(shares.mean(axis=0)) if delta_actions else np.ptp(shares, axis=0)
    if trajectory is not None:
        steps = np.diff(np.asarray(trajectory, dtype=np.float64).reshape(-1, 2), axis=0)
        if np.linalg.norm(steps, axis=1).sum() > limits.path:
            return False
    return bool(motion.max() <= limits.motion)
