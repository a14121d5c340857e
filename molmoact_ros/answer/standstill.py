# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether an answer asks for motion at all: the only sign of a finished task that answers give.

No checkpoint reports that it is done. One that has reached its goal writes a path that ends where
it begins, and actions that lead nowhere. The tabletop checkpoint at its block writes paths of 3 to
5 units and mean actions of 0.01 to 0.05, in one of four scenes 0.08; on its way there 0.2 to 1.
"""

import numpy as np
from numpy.typing import NDArray

from molmoact_ros.answer.stats import ActionStats

_PATH = 8.0  # length of a predicted trajectory at rest, at most; units of 0..255
# Share of half the range q99 - q01 of any scaled dimension, at most: of the mean over the rows for
# changes, of the rows' largest difference for absolute targets.
_MOTION = 0.05


def is_at_rest(
    actions: NDArray[np.float64],
    stats: ActionStats,
    trajectory: NDArray[np.float64] | None,
    *,
    delta_actions: bool,
) -> bool:
    """Return whether an answer leads nowhere; the gripper may still open or close.

    Args:
        actions: [T, D] in robot units, finite.
        stats: Statistics that they were un-normalised with.
        trajectory: [K, 2], 0..255, as predicted; None where a person drew it, so that it does not
            show what the model intends.
        delta_actions: Whether actions are changes, not targets.
    """
    shares = stats.shares(actions)
    if shares.size == 0:
        return False
    motion = np.abs(shares.mean(axis=0)) if delta_actions else np.ptp(shares, axis=0)
    if trajectory is not None:
        steps = np.diff(np.asarray(trajectory, dtype=np.float64).reshape(-1, 2), axis=0)
        if np.linalg.norm(steps, axis=1).sum() > _PATH:
            return False
    return bool(motion.max() <= _MOTION)
