# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The fast path of resize mode "siglip" on the CPU: from a frame straight to patches.

`torch.nn.functional.interpolate` is the reference, but on three channels it is not vectorised,
and rounding, cutting and normalising its result each read megabytes again. Here a strip of a few
rows of patches goes through all steps while it is in the cache. The arithmetic, including its
order and its fused roundings, is that of `interpolate`: the pixels are equal, not just close.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch

from .resize import normalize_
from .settings import ImageSettings

# Rows of patches in a strip: few enough for the cache, enough to drown the cost of a call.
_STRIP_PATCH_ROWS = 8


class _Axis(NamedTuple):
    """Where each new pixel of one axis comes from: two source indices and their weights."""

    first: torch.Tensor
    second: torch.Tensor
    first_weight: torch.Tensor
    second_weight: torch.Tensor


def write_patches(
    image: torch.Tensor, tiling: tuple[int, int], settings: ImageSettings, out: torch.Tensor
) -> None:
    """Resize a frame bilinearly, without antialias, and write its normalised patches.

    Args:
        image: uint8 `[H, W, 3]` on the CPU.
        tiling: Rows and columns of overlapping crops.
        settings: Sizes, and how to normalise.
        out: float32 `[rows * columns, N, P]`, filled by this call.
    """
    height, width = (count * settings.window + settings.margin for count in tiling)
    rows = _axis(image.shape[0], height)
    columns = _axis(image.shape[1], width)
    left = image.index_select(1, columns.first).flatten(1)
    right = image.index_select(1, columns.second).flatten(1)
    left_weight = columns.first_weight.repeat_interleave(3)
    right_weight = columns.second_weight.repeat_interleave(3)

    patch, side = settings.patch_size, settings.patches_per_side
    crops = out.view(*tiling, side, side, patch, patch * 3)
    strip = _STRIP_PATCH_ROWS * patch
    values, weight, corner = (torch.empty(strip, width * 3) for _ in range(3))
    codes = torch.empty(strip, width * 3, dtype=torch.uint8)
    for top in range(0, height, strip):
        bottom = min(top + strip, height)
        v, w, c, u = (part[: bottom - top] for part in (values, weight, corner, codes))
        above, below = rows.first[top:bottom], rows.second[top:bottom]
        above_weight = rows.first_weight[top:bottom, None]
        below_weight = rows.second_weight[top:bottom, None]
        # Upper right, upper left, lower left, lower right: the order decides the last bit.
        v.copy_(torch.index_select(right, 0, above, out=u))
        v.mul_(torch.mul(above_weight, right_weight, out=w))
        for pixels, index, row_weight, column_weight in (
            (left, above, above_weight, left_weight),
            (left, below, below_weight, left_weight),
            (right, below, below_weight, right_weight),
        ):
            c.copy_(torch.index_select(pixels, 0, index, out=u))
            v.addcmul_(c, torch.mul(row_weight, column_weight, out=w))
        normalize_(v.round_().div_(255).view(-1, 3), settings.normalize_mode)
        grid = v.view(-1, patch, width // patch, patch * 3).transpose(1, 2)
        _scatter(grid, top // patch, crops, settings.window // patch)


def _scatter(grid: torch.Tensor, first_row: int, crops: torch.Tensor, step: int) -> None:
    """Copy rows of patches into every crop that holds them.

    Args:
        grid: `[rows, columns, patch, patch * 3]`, some rows of the whole view.
        first_row: Number of the first of them in the view.
        crops: `[crop rows, crop columns, side, side, patch, patch * 3]`.
        step: Patches between the starts of neighbouring crops.
    """
    side = crops.shape[2]
    for i in range(crops.shape[0]):
        start = max(first_row, i * step)
        stop = min(first_row + len(grid), i * step + side)
        if start >= stop:
            continue
        for j in range(crops.shape[1]):
            part = grid[start - first_row : stop - first_row, j * step : j * step + side]
            crops[i, j, start - i * step : stop - i * step].copy_(part)


@lru_cache(maxsize=64)
def _axis(old: int, new: int) -> _Axis:
    """Plan one axis with the float32 coordinates of `interpolate` (align_corners false)."""
    scale = torch.tensor(old, dtype=torch.float32) / new
    centres = torch.arange(new, dtype=torch.float32) + 0.5
    # float64 and one rounding stand for the fused multiply-add of the reference.
    position = (scale.double() * centres.double() - 0.5).float().clamp(min=0)
    first = position.long().clamp(max=old - 1)
    second_weight = (position - first).clamp(0, 1)
    second = (first + 1).clamp(max=old - 1)
    return _Axis(first, second, 1 - second_weight, second_weight)
