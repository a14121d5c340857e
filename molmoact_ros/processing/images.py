# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From camera frames to the patches that the vision tower reads (spec 9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .resize import normalize, resize
from .settings import ImageSettings
from .tiling import Layout, plan_layout


@dataclass(frozen=True)
class ImageInputs:
    """Everything that the model and the prompt need of the images of one prompt.

    Attributes:
        images: float32 ``[T, N, P]``: crops, patches, values (row, column, channel).
        pooled_patches_idx: int64 ``[M, 4]``: patches of each image token, -1 for nothing.
        image_masks: float32 ``[T, N]``: share of each patch that is image, not padding.
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
        frames: RGB uint8 ``[H, W, 3]`` each.
        max_crops: Most high-resolution crops of each frame.
        settings: The checkpoint's settings.
        device: Where the work is done; frames are sent there as uint8.

    Raises:
        ValueError: A frame is not an RGB uint8 array, or is too narrow.
    """
    crops, masks, pooled, grids = [], [], [], []
    offset = 0
    for frame in frames:
        height, width = frame.shape[:2]
        layout = plan_layout(height, width, max_crops, settings)
        image = torch.from_numpy(np.ascontiguousarray(frame)).to(device)
        for patches, mask in _views(image, layout, settings):
            crops.append(patches)
            masks.append(mask)
        # The offset is added to empty slots (-1) too: from the second image on they read the last
        # patch of the image before. The reference does, and training did (golden two_mid_256).
        pooled.append(layout.pooled_patches + offset)
        grids.append(layout.grids)
        offset += layout.num_crops * settings.patches_per_side**2
    return ImageInputs(
        images=torch.cat(crops),
        pooled_patches_idx=torch.from_numpy(np.concatenate(pooled)).to(device),
        image_masks=torch.cat(masks),
        grids=tuple(grids),
    )


def check_frame(image: Any, name: str) -> np.ndarray:
    """Return an RGB uint8 array ``[H, W, 3]`` or say what is wrong with it.

    Pillow images are converted to RGB; their EXIF orientation is not applied, as in the
    reference (spec 18.22).
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


def _views(
    image: torch.Tensor, layout: Layout, settings: ImageSettings
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return patches ``[crops, N, P]`` and masks ``[crops, N]`` of base and high-res view."""
    tilings = [(1, 1)] if settings.has_base else []
    if layout.tiling is not None:
        tilings.append(layout.tiling)
    if tilings == [(1, 1), (1, 1)]:
        # Both views are the same picture (spec 9.2).
        view = _view(image, (1, 1), settings)
        return [view, view]
    return [_view(image, tiling, settings) for tiling in tilings]


def _view(
    image: torch.Tensor, tiling: tuple[int, int], settings: ImageSettings
) -> tuple[torch.Tensor, torch.Tensor]:
    size = tuple(count * settings.window + settings.margin for count in tiling)
    pixels, mask = resize(image, (size[0], size[1]), settings.resize_mode, settings.pad_value)
    patches = _patches(pixels, settings)
    crops, count = patches.shape[:2]
    if mask is None:
        share = torch.ones(crops, count, device=image.device)
    else:
        share = _patches(mask[..., None], settings).mean(dim=2)
    values = normalize(patches.unflatten(2, (-1, 3)), settings.normalize_mode)
    return values.flatten(2), share


def _patches(view: torch.Tensor, settings: ImageSettings) -> torch.Tensor:
    """Cut ``[H, W, C]`` into overlapping crops and their patches: ``[crops, N, P]``."""
    size, step, patch = settings.crop_size, settings.window, settings.patch_size
    # [rows, columns, C, size, size], a view without copies
    crops = view.unfold(0, size, step).unfold(1, size, step)
    crops = crops.unflatten(3, (-1, patch)).unflatten(5, (-1, patch))
    # [rows, columns, C, py, dy, px, dx] -> [rows * columns, py * px, dy * dx * C]
    ordered = crops.permute(0, 1, 3, 5, 4, 6, 2)
    side = settings.patches_per_side
    return ordered.reshape(-1, side * side, patch * patch * view.shape[2])
