# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Resizing and normalising pixels, with the numbers of the reference (format.md 9.3).

Everything is torch, so that the same code runs where the frame lies: on the CPU or on a GPU.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

_MEAN_STD = {
    "openai": (
        (0.48145466, 0.4578275, 0.40821073),
        (0.26862954, 0.26130258, 0.27577711),
    ),
    "dino": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def resize(
    image: torch.Tensor, size: tuple[int, int], mode: str, pad_value: float
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Resize an image to `size` according to the resize mode.

    Args:
        image: uint8 `[H, W, 3]`.
        size: Height and width of the result in pixels.
        mode: One of `settings.RESIZE_MODES`.
        pad_value: Fills what the image leaves free in mode "default", 0..1.

    Returns:
        Pixels `[height, width, 3]` float32 in 0..1, and the mask `[height, width]` float32 of
        pixels that are image, or None when all are.
    """
    if mode == "siglip":
        resized = _interpolate(image.float(), size, "bilinear", antialias=False)
        return resized.round_().div_(255), None
    if mode == "default":
        return _fit(image, size, pad_value)
    resized = _interpolate(image.float(), size, "bicubic", antialias=True)
    return resized.clamp_(0, 255).round_().div_(255), None


def normalize_(values: torch.Tensor, mode: str) -> torch.Tensor:
    """Shift and scale float32 values `[..., 3]` in 0..1, in place."""
    if mode == "siglip":
        # 2 x - 1 in one step; doubling is exact, so it rounds like two steps.
        return torch.add(values.new_tensor(-1.0), values, alpha=2, out=values)
    mean, std = (torch.tensor(row, device=values.device) for row in _MEAN_STD[mode])
    return values.sub_(mean).div_(std)


def _fit(
    image: torch.Tensor, size: tuple[int, int], pad_value: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Resize, keeping the aspect ratio, and centre on a canvas."""
    # In float32 as the reference computes it: float64 would give other sizes at some ratios.
    source = np.array(image.shape[:2], dtype=np.float32)
    factor = (np.array(size, dtype=np.float32) / source).min()
    height, width = (int(side) for side in source * factor)
    if height < 1 or width < 1:
        raise ValueError(
            f"an image of {image.shape[1]}x{image.shape[0]} pixels is too narrow to be resized"
        )
    resized = _interpolate(image.float() / 255, (height, width), "bilinear", antialias=True)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    inside = (slice(top, top + height), slice(left, left + width))
    canvas = resized.new_full((*size, 3), pad_value)
    canvas[inside] = resized.clamp_(0, 1)
    mask = resized.new_zeros(size)
    mask[inside] = 1
    return canvas, mask


def _interpolate(
    image: torch.Tensor, size: tuple[int, int], mode: str, antialias: bool
) -> torch.Tensor:
    """Resize float `[H, W, 3]`."""
    planes = image.permute(2, 0, 1)[None]
    planes = F.interpolate(planes, size=size, mode=mode, align_corners=False, antialias=antialias)
    return planes[0].permute(1, 2, 0)
