# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Bringing camera frames to the size and crop that a checkpoint was trained with (format.md 16).

Training data was resized by Pillow; `resample` has the numbers of Pillow 11, bit for bit, without
needing Pillow (Pillow 13 swaps its two passes for some sizes, which moves values by 1).
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

KERNELS = ("bilinear", "lanczos", "area")

_SUPPORT = {"bilinear": 1.0, "lanczos": 3.0}
_FRACTION_BITS = 22  # weights are whole numbers of 2**-22, as in Pillow


def resample(frame: NDArray[np.uint8], size: tuple[int, int], kernel: str) -> NDArray[np.uint8]:
    """Resize a frame.

    Args:
        frame: RGB uint8 [H, W, 3].
        size: Width and height in pixels.
        kernel: "bilinear" and "lanczos" are Pillow's, anti-aliased when shrinking; "area" is
            OpenCV's INTER_AREA.

    Returns:
        RGB uint8 [height, width, 3]; the frame itself when it has that size.
    """
    width, height = size
    if frame.shape[:2] == (height, width):
        return frame
    if kernel == "area":
        return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    if frame.shape[1] != width:
        # Rows are contiguous in memory, columns are not: transposing first is much faster.
        frame = cv2.transpose(_resample_rows(cv2.transpose(frame), width, kernel))
    if frame.shape[0] != height:
        frame = _resample_rows(frame, height, kernel)
    return frame


def centre_crop(frame: NDArray[np.uint8], area: float) -> NDArray[np.uint8]:
    """Return the middle of a frame: both sides shrink by the root of `area`, rounded down."""
    height, width = frame.shape[:2]
    rows, columns = (math.floor(side * math.sqrt(area)) for side in (height, width))
    top, left = (height - rows) // 2, (width - columns) // 2
    return frame[top : top + rows, left : left + columns]


def fit_longest_side(width: int, height: int, longest: int) -> tuple[int, int]:
    """Width and height with the longer side at most `longest`, same aspect, never larger."""
    factor = min(longest / max(width, height), 1.0)
    return max(round(width * factor), 1), max(round(height * factor), 1)


def _resample_rows(frame: NDArray[np.uint8], rows: int, kernel: str) -> NDArray[np.uint8]:
    """Resize along the first axis, rounding the result to whole values as Pillow does."""
    indices, weights = _taps(frame.shape[0], rows, kernel)
    flat = frame.reshape(len(frame), -1).astype(np.int32)
    total = np.full((rows, flat.shape[1]), 1 << (_FRACTION_BITS - 1), np.int32)
    for index, weight in zip(indices, weights, strict=True):
        tap = flat[index]
        tap *= weight[:, None]
        total += tap
    total >>= _FRACTION_BITS
    return np.clip(total, 0, 255, out=total).astype(np.uint8).reshape(rows, *frame.shape[1:])


@lru_cache(maxsize=32)
def _taps(
    before: int, after: int, kernel: str
) -> tuple[tuple[NDArray[np.intp], ...], tuple[NDArray[np.int32], ...]]:
    """For each tap: the source row and the weight of each result row."""
    scale = before / after
    stretch = max(scale, 1.0)  # shrinking widens the kernel: that is the anti-aliasing
    support = _SUPPORT[kernel] * stretch
    centres = (np.arange(after) + 0.5) * scale
    first = np.maximum((centres - support + 0.5).astype(int), 0)
    last = np.minimum((centres + support + 0.5).astype(int), before)
    rows = first[:, None] + np.arange((last - first).max())
    distance = (rows + 0.5 - centres[:, None]) / stretch
    weights = np.where(rows < last[:, None], _KERNELS[kernel](distance), 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    fixed = np.trunc(weights * (1 << _FRACTION_BITS) + np.copysign(0.5, weights)).astype(np.int32)
    return tuple(np.minimum(rows, before - 1).T), tuple(fixed.T)


def _triangle(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(1.0 - np.abs(x), 0.0)


def _lanczos(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.abs(x) < 3.0, np.sinc(x) * np.sinc(x / 3.0), 0.0)


_KERNELS = {"bilinear": _triangle, "lanczos": _lanczos}
