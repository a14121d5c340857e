# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether the gripper has arrived, from its positions over time."""

from __future__ import annotations

from collections import deque

import numpy as np

NEAR = 0.05  # m to the centre of the block
_HOLD = 1.0  # s that it must stay near
_STILL = 0.01  # m that it may move meanwhile


class Arrival:
    """Says so once the gripper has been near its target, and still, for a second."""

    def __init__(self) -> None:
        """Start with no positions."""
        self._near: deque[tuple[float, np.ndarray]] = deque()

    def update(self, time: float, gripper: np.ndarray, target: np.ndarray) -> bool:
        """Take a position.

        Args:
            time: s.
            gripper: ``[3]``, m.
            target: ``[3]``, m.

        Returns:
            Whether the gripper has arrived.
        """
        if np.linalg.norm(gripper - target) >= NEAR:
            self._near.clear()
            return False
        self._near.append((time, gripper))
        # One position that is older than the time to hold proves that it was near all along.
        while len(self._near) > 1 and self._near[1][0] <= time - _HOLD:
            self._near.popleft()
        held = time - self._near[0][0] >= _HOLD
        return held and all(np.linalg.norm(gripper - p) < _STILL for _, p in self._near)
