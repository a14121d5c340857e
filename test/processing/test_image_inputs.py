# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Crops, resize modes and the two paths (CPU strips, device) beside the golden data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from molmoact_ros.processing import ImageSettings
from molmoact_ros.processing.fused_patches import write_patches
from molmoact_ros.processing.image_inputs import cut_patches, prepare_images
from molmoact_ros.processing.resize import normalize_, resize

SMALL = ImageSettings(
    crop_mode="overlap-and-resize-c2",
    resize_mode="siglip",
    normalize_mode="siglip",
    crop_size=70,
    patch_size=14,
    overlap_margins=(1, 1),
    pooling=(2, 2),
    max_crops=8,
    max_multi_image_crops=8,
)
RELEASED = replace(SMALL, crop_size=378, overlap_margins=(4, 4))


def _frame(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _device_path(image: Any, tiling: tuple[int, int], how: Any) -> Any:
    """Run what runs on a GPU: float32 torch operations on the uploaded uint8 frame."""
    size = [count * how.window + how.margin for count in tiling]
    pixels, _ = resize(torch.from_numpy(image), (size[0], size[1]), how.resize_mode, how.pad_value)
    return cut_patches(normalize_(pixels, how.normalize_mode), how)


@settings(max_examples=40)
@given(
    height=st.integers(1, 200),
    width=st.integers(1, 200),
    tiling=st.sampled_from([(1, 1), (1, 2), (3, 1), (2, 4)]),
    normalize_mode=st.sampled_from(["siglip", "openai", "dino"]),
    seed=st.integers(0, 99),
)
def test_strips_equal_the_device_path(
    height: int, width: int, tiling: tuple[int, int], normalize_mode: str, seed: int
) -> None:
    how = replace(SMALL, normalize_mode=normalize_mode)
    image = _frame(height, width, seed)
    expected = _device_path(image, tiling, how)
    actual = torch.empty_like(expected)
    write_patches(torch.from_numpy(image), tiling, how, actual)
    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(480, 640), (240, 320), (720, 1280), (256, 256), (517, 333)])
def test_released_settings_on_both_paths(size: tuple[int, int]) -> None:
    """Within one step of 255 everywhere, and equal but for rare last-bit ties on other CPUs."""
    image = _frame(*size)
    for tiling in ((1, 1), (2, 2)):
        expected = _device_path(image, tiling, RELEASED)
        actual = torch.empty_like(expected)
        write_patches(torch.from_numpy(image), tiling, RELEASED, actual)
        difference = (actual - expected).abs()
        assert difference.max() <= 2 / 255 + 1e-6  # values span 2, pixels 255 steps
        assert (difference > 1e-6).float().mean() < 1e-5


def test_frames_together_equal_frames_alone() -> None:
    """Each frame fills its own part of the result, whatever sizes the others have."""
    frames = [_frame(200, 300), _frame(200, 300, 1), _frame(60, 60), _frame(200, 300, 2)]
    for resize_mode in ("siglip", "default"):
        how = replace(SMALL, resize_mode=resize_mode)
        together = prepare_images(frames, 8, how)
        alone = [prepare_images([frame], 8, how) for frame in frames]
        assert torch.equal(together.images, torch.cat([one.images for one in alone]))
        assert torch.equal(together.image_masks, torch.cat([one.image_masks for one in alone]))
        assert together.grids == tuple(one.grids[0] for one in alone)


def test_crop_mode_resize_has_the_base_view_only() -> None:
    how = replace(SMALL, crop_mode="resize")
    only = prepare_images([_frame(200, 300)], 8, how)
    both = prepare_images([_frame(200, 300)], 8, SMALL)
    assert only.images.shape[0] == 1 < both.images.shape[0]
    assert torch.equal(only.images[0], both.images[0])
    assert only.grids == (((3, 3),),)
    assert torch.equal(only.pooled_patches_idx, both.pooled_patches_idx[:9])


def test_crop_mode_overlap_and_resize_has_the_high_resolution_view_only() -> None:
    how = replace(SMALL, crop_mode="overlap-and-resize")
    only = prepare_images([_frame(200, 300)], 8, how)
    both = prepare_images([_frame(200, 300)], 8, SMALL)
    assert torch.equal(only.images, both.images[1:])
    assert only.grids[0] == both.grids[0][1:]
    index = both.pooled_patches_idx[9:]
    assert torch.equal(only.pooled_patches_idx, torch.where(index >= 0, index - 25, -1))


def test_second_image_is_shifted_and_its_empty_slots_too() -> None:
    """The reference adds the patch count to -1 as well (golden two_mid_256)."""
    one = prepare_images([_frame(60, 60)], 8, SMALL).pooled_patches_idx
    two = prepare_images([_frame(60, 60), _frame(60, 60, 1)], 8, SMALL).pooled_patches_idx
    assert torch.equal(two[: len(one)], one)
    assert torch.equal(two[len(one) :], one + 2 * 25)


@pytest.mark.parametrize("mode", ["metaclip", "dino"])
def test_stretching_bicubic_modes(mode: str) -> None:
    """Antialiased bicubic on 8 bits: a shrunk ramp stays a ramp, extremes do not overshoot."""
    ramp = np.broadcast_to(np.arange(0, 224, dtype=np.uint8)[None, :, None], (64, 224, 3))
    pixels, mask = resize(torch.from_numpy(ramp.copy()), (32, 56), mode, 0.0)
    assert mask is None
    steps = pixels[16, 4:-4, 0] * 255
    torch.testing.assert_close(steps, 4 * torch.arange(4, 52) + 1.5, atol=0.51, rtol=0)
    checks = torch.from_numpy(255 * (np.indices((64, 64)).sum(0) // 8 % 2).astype(np.uint8))
    pixels, _ = resize(checks[..., None].repeat(1, 1, 3), (100, 100), mode, 0.0)
    assert pixels.min() == 0 and pixels.max() == 1


def test_padding_is_centred_and_masked() -> None:
    """Mode "default": the extra row goes to the bottom; padding comes before normalising."""
    pixels, mask = resize(torch.full((20, 40, 3), 255, dtype=torch.uint8), (15, 15), "default", 0.5)
    assert mask is not None and mask.sum(0).tolist() == [7.0] * 15
    assert mask[:, 0].tolist() == [0.0] * 4 + [1.0] * 7 + [0.0] * 4
    torch.testing.assert_close(pixels[mask == 1], torch.ones(7 * 15, 3))
    torch.testing.assert_close(pixels[mask == 0], torch.full((8 * 15, 3), 0.5))


def test_an_image_too_narrow_to_fit_is_named() -> None:
    with pytest.raises(ValueError, match="2000x1 pixels is too narrow"):
        resize(torch.zeros(1, 2000, 3, dtype=torch.uint8), (336, 336), "default", 0.0)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (112, 112), (113, 111)])
def test_odd_sizes_have_a_tiling(size: tuple[int, int]) -> None:
    """Sizes at or below the margin give infinite or negative ratios, never an error."""
    result = prepare_images([_frame(*size)], 8, RELEASED)
    assert bool(torch.isfinite(result.images).all())
    assert int(result.pooled_patches_idx.max()) < result.images.shape[0] * 729
