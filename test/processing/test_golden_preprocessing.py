# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Preprocessing at the released sizes (378 px SigLIP, 336 px CLIP) and the tiling table."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from golden_files import GOLDEN

from molmoact_ros.processing import ImageSettings
from molmoact_ros.processing.image_inputs import prepare_images
from molmoact_ros.processing.tiling import select_tiling

SETTINGS = {
    name: ImageSettings(
        crop_mode="overlap-and-resize-c2",
        resize_mode=resize_mode,
        normalize_mode=normalize_mode,
        crop_size=size,
        patch_size=14,
        overlap_margins=(4, 4),
        pooling=(2, 2),
        max_crops=8,
        max_multi_image_crops=8,
    )
    for name, resize_mode, normalize_mode, size in (
        ("siglip378", "siglip", "siglip", 378),
        ("clip336", "default", "openai", 336),
    )
}
TABLE = json.loads((GOLDEN / "vision" / "preproc.json").read_text())


@pytest.mark.parametrize("key", TABLE["items"])
def test_released_sizes(key: str, read_image: Callable[[str], np.ndarray]) -> None:
    settings = SETTINGS[key.split(".")[0]]
    image = read_image(f"images/{TABLE['items'][key]['png']}")
    result = prepare_images([image], settings.max_crops, settings)
    with np.load(GOLDEN / "vision" / "preproc.npz") as file:
        expected = {name[len(key) + 1 :]: file[name] for name in file if name.startswith(f"{key}.")}
    pixels = result.images.numpy()
    assert pixels.shape == tuple(expected["shape"])
    assert result.grids == (tuple(map(tuple, expected["grids"].tolist())),)
    assert np.array_equal(result.pooled_patches_idx.numpy(), expected["idx"])
    assert np.array_equal(result.image_masks.numpy(), expected["mask"])
    samples = pixels[tuple(expected["sample_pos"].T)]
    np.testing.assert_allclose(samples, expected["sample_val"], atol=1e-6, rtol=0)
    middle = pixels[-1, pixels.shape[1] // 2]
    np.testing.assert_allclose(middle, expected["patch_row"], atol=1e-6, rtol=0)
    means = pixels.mean((1, 2), dtype=np.float64)
    np.testing.assert_allclose(means, expected["crop_mean"], atol=1e-7, rtol=0)


@pytest.mark.parametrize(
    ("window", "max_crops", "column"), [(266, 8, 2), (224, 8, 3), (224, 12, 4)]
)
def test_tiling_table(window: int, max_crops: int, column: int) -> None:
    """220 sizes, with the margin of 112 px taken off, zero and negative rests included."""
    wrong = [
        row
        for row in TABLE["tiling"]["rows"]
        if select_tiling(row[0] - 112, row[1] - 112, window, max_crops) != tuple(row[column])
    ]
    assert not wrong


def test_small_image_gives_two_equal_crops(read_image: Callable[[str], np.ndarray]) -> None:
    """The high-resolution crop of an image within one crop is the base crop (format.md 9.2)."""
    for settings in SETTINGS.values():
        images = prepare_images([read_image("images/256x256_2.png")], 8, settings).images
        assert images.shape[0] == 2
        assert torch.equal(images[0], images[1])
