# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From camera frames to the patches that the vision tower reads (format.md 9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .fused_patches import write_patches
from .resize import normalize_, resize
from .settings import ImageSettings
from .tiling import Layout, plan_layout


@dataclass(frozen=True)
class ImageInputs:
    """Everything that the model and the prompt need of the images of one prompt.

    Attributes:
        images: float32 `[T, N, P]`: crops, patches, values (row, column, channel).
        pooled_patches_idx: int64 `[M, 4]`: patches of each image token, -1 for nothing.
        image_masks: float32 `[T, N]`: share of each patch that is image, not padding.
        grids: Per image, rows and columns of image tokens of each view.
    """

    images: torch.Tensor
    pooled_patches_idx: torch.Tensor
    image_masks: torch.Tensor
    grids: tuple[tuple[tuple[int, int], ...], ...]


def prepare_images(
    frames: Sequence[np.ndarray],
    max_crops: int,
    settings: ImageSettings,
    device: torch.device | str = "cpu",
) -> ImageInputs:
    """Resize, cut, normalise and flatten frames.

    Args:
        frames: RGB uint8 `[H, W, 3]` each.
        max_crops: Most high-resolution crops of each frame.
        settings: The checkpoint's settings.
        device: Where the work is done; frames are sent there as uint8.

    Raises:
        ValueError: A frame is not an RGB uint8 array, or is too narrow.
    """
    layouts = [plan_layout(*frame.shape[:2], max_crops, settings) for frame in frames]
    side, patch = settings.patches_per_side, settings.patch_size
    total = sum(layout.num_crops for layout in layouts)
    images = torch.empty(total, side * side, patch * patch * 3, device=device)
    masks = torch.ones(total, side * side, device=device)
    pooled, start = [], 0
    for frame, layout in zip(frames, layouts, strict=True):
        stop = start + layout.num_crops
        image = torch.from_numpy(np.ascontiguousarray(frame)).to(device)
        _fill(image, layout, settings, images[start:stop], masks[start:stop])
        # The offset is added to empty slots (-1) too: from the second image on they read the last
        # patch of the image before. The reference does, and training did (golden two_mid_256).
        pooled.append(layout.pooled_patches + start * side * side)
        start = stop
    return ImageInputs(
        images=images,
        pooled_patches_idx=torch.from_numpy(np.concatenate(pooled)).to(device),
        image_masks=masks,
        grids=tuple(layout.grids for layout in layouts),
    )


def check_frame(image: Any, name: str) -> np.ndarray:
    """Return an RGB uint8 array `[H, W, 3]` or raise what is wrong with it.

    Pillow images are converted to RGB; their EXIF orientation is not applied, as in the
    reference (fidelity.md row 22).
    """
    if not isinstance(image, np.ndarray) and hasattr(image, "convert"):
        image = np.asarray(image.convert("RGB"))
    if not isinstance(image, np.ndarray):
        raise ValueError(f"{name} is a {type(image).__name__}, not an RGB uint8 array [H, W, 3]")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(
            f"{name} is {image.dtype} {list(image.shape)}, not an RGB uint8 array [H, W, 3]"
        )
    return image


def _fill(
    image: torch.Tensor,
    layout: Layout,
    settings: ImageSettings,
    patches: torch.Tensor,
    masks: torch.Tensor,
) -> None:
    """Write base view and high-resolution view into `[T, N, P]` and `[T, N]`."""
    high_res = int(settings.has_base)
    if settings.has_base:
        _fill_view(image, (1, 1), settings, patches[:1], masks[:1])
    if layout.tiling == (1, 1) and settings.has_base:
        # Both views are the same picture (format.md 9.2).
        patches[1], masks[1] = patches[0], masks[0]
    elif layout.tiling is not None:
        _fill_view(image, layout.tiling, settings, patches[high_res:], masks[high_res:])


def _fill_view(
    image: torch.Tensor,
    tiling: tuple[int, int],
    settings: ImageSettings,
    patches: torch.Tensor,
    masks: torch.Tensor,
) -> None:
    if settings.resize_mode == "siglip" and image.device.type == "cpu":
        write_patches(image, tiling, settings, patches)
        return
    height, width = (count * settings.window + settings.margin for count in tiling)
    pixels, mask = resize(image, (height, width), settings.resize_mode, settings.pad_value)
    patches.copy_(cut_patches(normalize_(pixels, settings.normalize_mode), settings))
    if mask is not None:
        masks.copy_(cut_patches(mask[..., None], settings).mean(dim=2))


def cut_patches(view: torch.Tensor, settings: ImageSettings) -> torch.Tensor:
    """Cut `[H, W, C]` into overlapping crops and their patches: `[crops, N, P]`."""
    size, step, patch = settings.crop_size, max(settings.window, 1), settings.patch_size
    # [rows, columns, C, size, size], a view without copies
    crops = view.unfold(0, size, step).unfold(1, size, step)
    crops = crops.unflatten(3, (-1, patch)).unflatten(5, (-1, patch))
    # [rows, columns, C, py, dy, px, dx] -> [rows * columns, py * px, dy * dx * C]
    ordered = crops.permute(0, 1, 3, 5, 4, 6, 2)
    side = settings.patches_per_side
    return ordered.reshape(-1, side * side, patch * patch * view.shape[2])
