# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Trajectories as text, as grid coordinates 0..255 and as pixels (format.md 14)."""

import re

import numpy as np
from numpy.typing import ArrayLike, NDArray

GRID_MAX = 255  # both axes run 0..255 whatever the image's size

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
        text: any text; the words around the brackets do not matter.

    Returns:
        One float64 [K, 2] array (x, y) for each list of pairs, in order. A lone pair
        `[12, 34]` is a trajectory of one point. Values are not checked.
    """
    blocks = (_read_block(block.group()) for block in _BLOCK.finditer(text))
    return [points for points in blocks if points is not None]


def remove_trajectories(text: str) -> str:
    """The text without the blocks that `parse_trajectories` reads."""
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


def to_pixels(points: ArrayLike, width: int, height: int) -> NDArray[np.int64]:
    """Scale points from 0..255 to pixels.

    Args:
        points: [K, 2] (x, y), 0..255.
        width: image width in pixels.
        height: image height in pixels.

    Returns:
        int64 [K, 2], 0..width-1 and 0..height-1, halves rounded to even.
    """
    scale = np.array([width - 1, height - 1], dtype=np.float64)
    return np.rint(np.asarray(points, dtype=np.float64) / GRID_MAX * scale).astype(np.int64)


def from_pixels(pixels: ArrayLike, width: int, height: int) -> NDArray[np.float64]:
    """Scale pixels [K, 2] to 0..255; points outside the image are moved to its border."""
    size = np.array([max(width - 1, 1), max(height - 1, 1)], dtype=np.float64)
    return np.clip(np.asarray(pixels, dtype=np.float64) / size, 0, 1) * GRID_MAX
