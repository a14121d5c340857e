# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which steps of an episode are left out because nothing happens in them."""

from __future__ import annotations

import numpy as np

_GRIPPER_STILL = 0.02  # of its range


def idle_steps(ways: np.ndarray, closed: np.ndarray, most: int) -> np.ndarray:
    """Return ``[T]``: whether a step is left out.

    The first steps of a pause stay, so that a policy learns to stop; what follows goes. A pause
    lasts while everything stays where it was at its begin, so that slow motion is none.

    Args:
        ways: ``[T, A]`` where the robot is after each step; below 1 is no motion.
        closed: ``[T]`` gripper, 0 open .. 1 closed.
        most: Steps of a pause that stay.
    """
    idle = np.zeros(len(ways), dtype=bool)
    begin = 0
    for i in range(1, len(ways)):
        moved = float(np.linalg.norm(ways[i] - ways[begin])) >= 1.0
        if moved or abs(closed[i] - closed[begin]) > _GRIPPER_STILL:
            begin = i
        idle[i] = i - begin > most
    return idle
