# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The scripted expert: reaches a block as a function of where gripper and block are now.

It has no memory, so it labels any frame, also those that a half-trained model wandered into.
Positions are metres in the base frame, a step is 0.1 s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STEP_SECONDS = 0.1
MAX_STEP = 0.02  # m per step: 0.2 m/s
MAX_STEPS = 48
ROWS = 8
POINTS = 5
GOAL_ABOVE_BLOCK = np.array([0.0, 0.0, 0.015])  # fingers beside the block, off the table

_GAIN = 0.35  # of the remaining way per step
_HOVER = 0.09  # m above the goal while the block is far
_FUNNEL = 0.015  # m beside the goal where the descent may end
_ARRIVED = 0.004  # m


@dataclass(frozen=True)
class Labels:
    """What the expert would do from each of N states.

    Attributes:
        points: ``[N, 5, 3]`` grip points from now to the end, evenly spread in time.
        deltas: ``[N, 8, 3]`` movement of the next eight steps, m.
    """

    points: np.ndarray
    deltas: np.ndarray


def expert_step(gripper: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Return the next movement ``[..., 3]``, m, from ``gripper`` to ``goal`` ``[..., 3]``.

    The gripper stays above a cone over the goal, so that its fingers come down around the block.
    """
    way = goal - gripper
    beside = np.linalg.norm(way[..., :2], axis=-1)
    height = goal[..., 2] + np.clip(beside - _FUNNEL, 0.0, _HOVER)
    step = _GAIN * np.concatenate([way[..., :2], (height - gripper[..., 2])[..., None]], axis=-1)
    length = np.linalg.norm(step, axis=-1, keepdims=True)
    return step * np.minimum(1.0, MAX_STEP / np.maximum(length, 1e-9))


def expert_labels(gripper: np.ndarray, blocks: np.ndarray) -> Labels:
    """Roll the expert out from each state, without physics.

    Args:
        gripper: ``[N, 3]`` grip points.
        blocks: ``[N, 3]`` centres of the blocks to reach.
    """
    goal = blocks + GOAL_ABOVE_BLOCK
    path = [np.asarray(gripper, dtype=np.float64)]
    for _ in range(MAX_STEPS):
        path.append(path[-1] + expert_step(path[-1], goal))
    stacked = np.stack(path, axis=1)
    arrived = np.linalg.norm(stacked - goal[:, None], axis=-1) < _ARRIVED
    last = np.where(arrived.any(axis=1), arrived.argmax(axis=1), MAX_STEPS)
    picks = np.linspace(0.0, last, POINTS, axis=1).astype(int)
    points = np.take_along_axis(stacked, picks[..., None], axis=1)
    return Labels(points, np.diff(stacked[:, : ROWS + 1], axis=1))
