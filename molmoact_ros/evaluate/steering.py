# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Drawn lines: from the gripper to a block, and whether the gripper has followed one."""

from __future__ import annotations

import numpy as np

from molmoact_ros.answer.trajectory import clipped, from_pixels, simplified
from molmoact_ros.sim import CameraModel, Hold

NEAR_END = 25.0  # units of 0..255 between the gripper in the picture and the line's end

_GOAL_ABOVE_BLOCK = np.array([0.0, 0.0, 0.015])  # m; the fingers come down around the block
_HOVER = 0.09  # m above the goal while the gripper is beside it
_POINTS = 24  # of the path before it is simplified as every hint is


def line_to_block(camera: CameraModel, gripper: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Return a line as a person would draw it: over to the block, then down to it.

    Args:
        camera: Whose picture is drawn on.
        gripper: Grip point `[3]`, m.
        block: Centre `[3]`, m.

    Returns:
        `[K, 2]` (x, y), 0..255 of the picture, at most as many points as a hint may have.
    """
    path = path_to_block(gripper, block)
    return simplified(clipped(from_pixels(camera.project(path), (camera.width, camera.height))))


def path_to_block(gripper: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Return such a line's way in space, `[24, 3]`, m; arguments as in `line_to_block`."""
    goal = block + _GOAL_ABOVE_BLOCK
    share = np.linspace(0.0, 1.0, _POINTS)[:, None]
    path = gripper + share * (goal - gripper)
    beside = np.linalg.norm(path[:, :2] - goal[:2], axis=1)
    # From the present height to that of a cone above the block, and down along it.
    cone = goal[2] + np.minimum(beside, _HOVER)
    path[:, 2] = np.where(share[:, 0] < 0.3, np.maximum(path[:, 2], cone), cone)
    path[0] = gripper
    return path


class LineJudge:
    """Detects when the gripper has come to rest where a line ends, as `Judge` does for a task."""

    def __init__(self, camera: CameraModel, line: np.ndarray) -> None:
        """Watch for the end of `line` `[K, 2]`, 0..255 of the camera's picture."""
        self._camera = camera
        self._end = line[-1]
        self._hold = Hold()

    def error(self, gripper: np.ndarray) -> float:
        """Return how far the grip point `[3]` is from the line's end, units of 0..255."""
        size = (self._camera.width, self._camera.height)
        place = from_pixels(self._camera.project(gripper), size)[0]
        return float(np.linalg.norm(place - self._end))

    def update(self, time: float, gripper: np.ndarray) -> bool:
        """Take the grip point `[3]`, m, at `time`, s; return whether it is there to stay."""
        near = self.error(gripper) < NEAR_END
        return self._hold.update(time, near, gripper) and self._hold.is_still
