# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which crops an image is cut into, and which patches form which image token (format.md 9.2)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .settings import ImageSettings


@dataclass(frozen=True)
class Layout:
    """The crops of one image and the bookkeeping of their patches.

    Attributes:
        tiling: Rows and columns of high-resolution crops; None without such a view.
        num_crops: Base crop and high-resolution crops together.
        grids: Rows and columns of image tokens per view, base view first.
        pooled_patches: int64 `[tokens, slots]`, indices into all patches of the image, -1 for
            nothing, in the order of the tokens.
    """

    tiling: tuple[int, int] | None
    num_crops: int
    grids: tuple[tuple[int, int], ...]
    pooled_patches: np.ndarray


def select_tiling(height: int, width: int, window: int, max_crops: int) -> tuple[int, int]:
    """Choose rows and columns of crops for an image, margins already taken off its size.

    The least enlargement wins; if every choice shrinks the image, the least shrinking. Sizes of
    zero or below give infinite or negative ratios, compared like any other (format.md 9.2).

    Args:
        height: Image height minus the margin, in pixels; may be zero or negative.
        width: Likewise.
        window: Pixels that each crop adds.
        max_crops: Most crops.
    """
    candidates = sorted(
        ((i, j) for i in range(1, max_crops + 1) for j in range(1, max_crops // i + 1)),
        key=lambda pair: (pair[0] * pair[1], pair[0]),
    )
    sizes = np.array(candidates, dtype=np.float32) * np.float32(window)
    with np.errstate(divide="ignore"):
        scales = (sizes / np.array([height, width], dtype=np.float32)).min(axis=1)
    if (scales < 1).all():
        return candidates[int(scales.argmax())]
    return candidates[int(np.where(scales < 1, np.float32(np.inf), scales).argmin())]


@lru_cache(maxsize=64)
def plan_layout(height: int, width: int, max_crops: int, settings: ImageSettings) -> Layout:
    """Plan the crops of an image of `height` x `width` pixels."""
    side = settings.patches_per_side
    views = []
    if settings.has_base:
        views.append(np.arange(side * side).reshape(side, side))
    tiling = None
    if settings.has_high_res:
        margin = settings.margin
        tiling = select_tiling(height - margin, width - margin, settings.window, max_crops)
        offset = side * side if settings.has_base else 0
        views.append(offset + _high_res_patches(tiling, side, settings.overlap_margins))
    pooled = [_pool(view, settings.pooling) for view in views]
    high_res_crops = tiling[0] * tiling[1] if tiling else 0
    return Layout(
        tiling=tiling,
        num_crops=int(settings.has_base) + high_res_crops,
        grids=tuple((view.shape[0], view.shape[1]) for view in pooled),
        pooled_patches=np.concatenate([view.reshape(-1, view.shape[2]) for view in pooled]),
    )


def _high_res_patches(tiling: tuple[int, int], side: int, margins: tuple[int, int]) -> np.ndarray:
    """Give each patch of overlapping crops its number, without those doubled at inner borders."""
    rows, columns = tiling
    left, right = margins
    numbers = np.arange(rows * columns * side * side).reshape(rows, columns, side, side)

    def kept(crop: int, count: int) -> slice:
        return slice(left if crop > 0 else 0, side - right if crop < count - 1 else side)

    return np.block(
        [
            [numbers[i, j, kept(i, rows), kept(j, columns)] for j in range(columns)]
            for i in range(rows)
        ]
    )


def _pool(patches: np.ndarray, pooling: tuple[int, int]) -> np.ndarray:
    """Group a grid of patch numbers: `[h, w]` to `[h', w', slots]`, -1 where nothing is."""
    pads = [-size % step for size, step in zip(patches.shape, pooling, strict=True)]
    padding = [(pad // 2, pad - pad // 2) for pad in pads]
    padded = np.pad(patches, padding, constant_values=-1)
    step_y, step_x = pooling
    rows, columns = padded.shape[0] // step_y, padded.shape[1] // step_x
    grouped = padded.reshape(rows, step_y, columns, step_x).transpose(0, 2, 1, 3)
    return grouped.reshape(rows, columns, step_y * step_x)
