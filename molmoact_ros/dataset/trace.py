# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The trajectory of each step: the measured end effector, projected into the picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from molmoact_ros.answer.trajectory import GRID_MAX, clipped, simplified, to_pixels
from molmoact_ros.viz.projection import measured_around

from .camera_view import CameraView

POINTS = 5  # at most, as in the released data
_DEPTH_NEAR = 0.08  # m; some part of a gripper is no further from the projected point
_SMALL = 96  # px; pictures are compared at this size
_MOVED = 0.7  # px of that size
_CHANGED = 12.0  # grey levels; more than the noise of a camera
_WINDOW = 0.06  # of the picture's width to each side, in which it is looked for


@dataclass(frozen=True)
class Traces:
    """Trajectories of the T steps of an episode.

    Attributes:
        points: ``[T, 5, 2]`` (x, y), 0..255; behind the last one it is repeated.
        counts: ``[T]`` how many points there are.
        gripper: ``[T, 3]`` where the end effector is now: x, y as 0..255, not clipped, and the
            distance along the optical axis, m; NaN behind the camera.
    """

    points: np.ndarray
    counts: np.ndarray
    gripper: np.ndarray

    @property
    def outside(self) -> np.ndarray:
        """``[T]``: whether the end effector is outside the picture."""
        inside = (self.gripper[:, :2] >= 0.0) & (self.gripper[:, :2] <= GRID_MAX)
        return np.asarray(~inside.all(axis=1))


def project_traces(
    view: CameraView, stamps: np.ndarray, path: np.ndarray, path_stamps: np.ndarray
) -> Traces:
    """Project what the end effector does from each step to the end of the episode.

    Args:
        view: The first camera.
        stamps: ``[T]``, s, of the steps.
        path: ``[N, 3]`` positions, m, over the whole episode.
        path_stamps: ``[N]``, s.
    """
    points, counts, gripper = [], [], []
    for stamp in stamps:
        ahead = path[np.searchsorted(path_stamps, stamp - 1e-6) :]
        ahead = ahead if len(ahead) else path[-1:]
        seen = view.project(ahead, stamp)
        grid = seen[:, :2] * GRID_MAX
        gripper.append(np.append(grid[0], seen[0, 2]))
        grid = grid[np.isfinite(grid).all(axis=1)]
        grid = grid if len(grid) else np.full((1, 2), GRID_MAX / 2)
        reduced = simplified(clipped(grid), POINTS)
        if len(reduced) == 2 and np.allclose(reduced[0], reduced[1], atol=0.5):
            reduced = reduced[:1]  # it stays where it is
        counts.append(len(reduced))
        points.append(np.concatenate([reduced, np.repeat(reduced[-1:], POINTS, axis=0)])[:POINTS])
    return Traces(np.array(points), np.array(counts), np.array(gripper))


def depth_agrees(gripper: np.ndarray, depth: np.ndarray) -> bool | None:
    """Return whether a depth camera sees something where the end effector should be.

    Args:
        gripper: ``[3]`` x and y as 0..255, and the expected distance, m.
        depth: ``[H, W]``, m; not positive or not finite: a hole.

    Returns:
        None: it saw nothing there, or the point is outside the picture.
    """
    height, width = depth.shape
    if not np.isfinite(gripper).all() or not ((gripper[:2] >= 0) & (gripper[:2] <= GRID_MAX)).all():
        return None
    x, y = np.rint(to_pixels(gripper[:2], (width, height))[0]).astype(int)
    seen = measured_around(depth, x, y, max(round(_WINDOW * width), 1))
    if seen.size == 0:
        return None
    return bool(np.abs(seen - gripper[2]).min() <= _DEPTH_NEAR)


class MotionCheck:
    """Whether a picture changes where the end effector moves; a wrong camera pose shows here.

    Attributes:
        seen: For each step in which it moved: whether the picture changed around it.
    """

    def __init__(self) -> None:
        """Start without a picture."""
        self.seen: list[bool] = []
        self._grey: np.ndarray | None = None
        self._gripper = np.zeros(2)

    def add(self, rgb: np.ndarray, gripper: np.ndarray) -> None:
        """Take the next picture, RGB uint8, and where the end effector is, x and y as 0..255."""
        small = cv2.resize(rgb, (_SMALL, _SMALL), interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
        place = to_pixels(gripper[:2], (_SMALL, _SMALL))[0]
        if self._grey is not None and np.linalg.norm(place - self._gripper) > _MOVED:
            changed = np.abs(grey - self._grey) > _CHANGED
            if changed.any():
                ys, xs = np.nonzero(changed)
                away = np.hypot(xs - place[0], ys - place[1]).min()
                self.seen.append(bool(away <= _WINDOW * _SMALL))
        self._grey, self._gripper = grey, place
