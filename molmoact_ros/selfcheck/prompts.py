# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Prompts to decode where no robot and no camera are: random ones, and pictures that move."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molmoact_ros.model import MolmoActConfig

_VIEW = (480, 640)  # rows and columns
_COLORS = ((200, 40, 40), (40, 170, 60), (50, 70, 210))


def random_prompt(
    config: MolmoActConfig, seed: int, images: int, text_tokens: int
) -> dict[str, Tensor]:
    """Make a batch of one prompt, as MolmoActProcessor does, of random pixels and tokens.

    Args:
        config: Of the network.
        seed: Of pixels and tokens.
        images: Each has a base crop and an equal high-resolution crop, as one that fits a crop.
        text_tokens: Beside those of the images.
    """
    rows, columns = config.vit_config.patch_grid
    random = torch.Generator().manual_seed(seed)
    pixels = 3 * config.vit_config.image_patch_size**2
    views = torch.rand(images, 1, rows * columns, pixels, generator=random) * 2 - 1
    crops = views.repeat(1, 2, 1, 1).flatten(0, 1)[None]
    grid = torch.full((2 * math.ceil(rows / 2), 2 * math.ceil(columns / 2)), -1)
    grid[:rows, :columns] = torch.arange(rows * columns).view(rows, columns)
    cells = grid.unfold(0, 2, 2).unfold(1, 2, 2).reshape(-1, 4)
    pooled = [
        torch.where(cells >= 0, cells + crop * rows * columns, -1) for crop in range(2 * images)
    ]
    patches = torch.full((len(pooled) * len(cells),), int(config.image_patch_id or 0))
    text = torch.randint(config.llm_config.vocab_size, (text_tokens,), generator=random)
    return {
        "input_ids": torch.cat([text[:1], patches, text[1:]])[None],
        "images": crops,
        "pooled_patches_idx": torch.cat(pooled)[None],
    }


def moving_picture(number: int) -> NDArray[np.uint8]:
    """Draw three blocks on a table, of which one moves from picture to picture.

    Args:
        number: Of the picture.

    Returns:
        RGB uint8 [480, 640, 3].
    """
    rows, columns = _VIEW
    picture = np.empty((rows, columns, 3), np.uint8)
    picture[:] = np.linspace(120, 220, rows, dtype=np.uint8)[:, None, None]
    for block, color in enumerate(_COLORS):
        x = 120 + 170 * block + (6 * number if block == 0 else 0)
        y = 200 + 60 * block
        picture[y : y + 60, x : x + 60] = color
    return picture
