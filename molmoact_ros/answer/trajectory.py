# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Trajectories as text, as points on a grid of 0..255 and as pixels (format.md 14)."""

import re

import numpy as np
from numpy.typing import ArrayLike, NDArray

GRID_MAX = 255  # both axes run 0..255 whatever the image's size
_POINTS = 5  # of a trajectory in the training data
_DETAIL = 1.0  # units of 0..255

_BLOCK = re.compile(r"\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\]")  # at most one nesting level
_GROUP = re.compile(r"\[([^\[\]]*)\]")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?")


def is_number(text: str) -> bool:
    """Whether the reference takes this string for a number (`1.` is none, `.5` is one)."""
    return _NUMBER.fullmatch(text) is not None


def list_items(text: str) -> list[str]:
    """Split the inside of a bracketed list at commas; strip blanks, then quotes."""
    return [item.strip().strip('"').strip("'") for item in text.split(",")]


def parse_trajectories(text: str) -> list[NDArray[np.float64]]:
    """Find every trajectory in an answer, as the reference does.

    Args:
        text: Any text; the words around the brackets do not matter.

    Returns:
        One float64 [K, 2] array (x, y) for each list of pairs, in order. A lone pair
        `[12, 34]` is a trajectory of one point. Values are not checked.
    """
    blocks = (_read_block(block.group()) for block in _BLOCK.finditer(text))
    return [points for points in blocks if points is not None]


def remove_trajectories(text: str) -> str:
    """Return the text without the blocks that `parse_trajectories` reads."""
    return _BLOCK.sub(lambda b: b.group() if _read_block(b.group()) is None else "", text)


def _read_block(block: str) -> NDArray[np.float64] | None:
    body = block[1:-1]
    groups = _GROUP.findall(body) or [body]
    points = [list_items(group) for group in groups]
    if all(len(point) == 2 and all(map(is_number, point)) for point in points):
        return np.array([[float(value) for value in point] for point in points])
    return None


def trajectory_text(points: ArrayLike) -> str:
    """Write points [K, 2] (0..255) as the model does: `[[12, 34], [56, 78]]`, whole numbers."""
    rounded = np.rint(np.asarray(points, dtype=np.float64)).astype(int)
    return "[" + ", ".join(f"[{x}, {y}]" for x, y in rounded) + "]"


def to_pixels(points: ArrayLike, size: tuple[int, int]) -> NDArray[np.float64]:
    """Scale points to pixels.

    Args:
        points: [K, 2] (x, y), 0..255.
        size: Width and height of the image in pixels.

    Returns:
        float64 [K, 2], 0..width-1 and 0..height-1, not rounded.
    """
    return np.asarray(points, dtype=np.float64).reshape(-1, 2) / GRID_MAX * (np.array(size) - 1)


def from_pixels(pixels: ArrayLike, size: tuple[int, int]) -> NDArray[np.float64]:
    """Scale pixels [K, 2] to 0..255, the inverse of `to_pixels`; what is outside stays outside."""
    last = np.maximum(np.array(size) - 1, 1)
    return np.asarray(pixels, dtype=np.float64).reshape(-1, 2) * GRID_MAX / last


def clipped(points: ArrayLike) -> NDArray[np.float64]:
    """Move points [K, 2], 0..255, that are outside the image to its edge."""
    return np.clip(np.asarray(points, dtype=np.float64), 0.0, GRID_MAX)


def simplified(
    points: NDArray[np.float64], most: int = _POINTS, detail: float = _DETAIL
) -> NDArray[np.float64]:
    """Reduce a drawn path to its ends and the corners that shape it most.

    Args:
        points: [K, 2], K >= 0.
        most: Points that may be left, at least 2; the training data has up to five.
        detail: Corners nearer than this to the path without them are left out, too.
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


def _distances(
    points: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the distances of points [K, 2] from the straight piece between two points."""
    way = end - start
    square = float(way @ way)
    along = np.zeros(len(points)) if square == 0.0 else (points - start) @ way / square
    nearest = start + np.clip(along, 0.0, 1.0)[:, None] * way
    return np.linalg.norm(points - nearest, axis=1)
