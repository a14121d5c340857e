# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Drawn paths as the checkpoints know them: inside the image, up to five points (format.md 14)."""

from __future__ import annotations

import numpy as np

_LARGEST = 255.0  # of a coordinate; the image's far edge
_POINTS = 5  # of a trajectory in the training data
_DETAIL = 1.0  # units of 0..255; a corner that is flatter is left out


def clipped(points: np.ndarray) -> np.ndarray:
    """Return the points ``[K, 2]``, 0..255, moved to the image's edge where they were outside."""
    return np.asarray(np.clip(points, 0.0, _LARGEST))


def simplified(points: np.ndarray, most: int = _POINTS, detail: float = _DETAIL) -> np.ndarray:
    """Return the path with fewer points: its ends, and the corners that shape it most.

    Args:
        points: ``[K, 2]``, K >= 0.
        most: Points that may be left, at least 2.
        detail: Corners nearer to the path without them are left out too.
    """
    if len(points) <= 2:
        return points
    kept = [0, len(points) - 1]
    while len(kept) < most:
        distances = np.zeros(len(points))
        for first, last in zip(kept[:-1], kept[1:], strict=True):
            inner = slice(first + 1, last)
            distances[inner] = _distances(points[inner], points[first], points[last])
        farthest = int(distances.argmax())
        if distances[farthest] <= detail:
            break
        kept = sorted([*kept, farthest])
    return points[kept]


def _distances(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return how far points ``[K, 2]`` are from the straight piece between two points."""
    way = end - start
    square = float(way @ way)
    along = np.zeros(len(points)) if square == 0.0 else (points - start) @ way / square
    nearest = start + np.clip(along, 0.0, 1.0)[:, None] * way
    return np.asarray(np.linalg.norm(points - nearest, axis=1))
