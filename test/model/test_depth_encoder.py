# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Depth images become the codes that the VQ-VAE's encoder gives them."""

from typing import Any

import numpy as np
import pytest

from molmoact_ros.model import load_vqvae
from molmoact_ros.model.depth_encoder import DepthEncoder


@pytest.fixture(scope="module")
def encoder(golden: Any) -> DepthEncoder:
    return DepthEncoder(load_vqvae(golden / "vqvae" / "vqvae_tiny.safetensors"), 6, 6)


def test_codes_are_those_of_the_encoder(encoder: Any, golden: Any) -> None:
    with np.load(golden / "vqvae" / "vqvae_tiny.npz") as arrays:
        images, indices = arrays["image"], arrays["indices"]
    for image, expected in zip(images[:, 0], indices, strict=True):
        stretched = (image - image.min()) / (image.max() - image.min())
        agreed = np.mean(np.array(encoder.codes(stretched)) == expected.ravel())
        # Stretching to the full range and to 8 bits moves a few cells to another code.
        assert agreed > 0.5


def test_scale_and_size_do_not_matter(encoder: Any) -> None:
    ramp = np.linspace(1, 3, 48)[None] + np.linspace(0, 2, 48)[:, None]
    assert encoder.codes(ramp) == encoder.codes(40 * ramp + 7)
    larger = np.kron(ramp, np.ones((4, 4)))
    assert np.mean(np.array(encoder.codes(larger)) == np.array(encoder.codes(ramp))) > 0.8


def test_metric_depth_is_nearer_where_smaller(encoder: Any) -> None:
    disparity = np.linspace(0.5, 2, 48)[None] + np.zeros((48, 1))
    metres = 1 / disparity
    assert encoder.codes_of_metric(metres) == encoder.codes(disparity)
    metres[:, 0] = 0
    metres[:, 1] = np.nan
    assert len(encoder.codes_of_metric(metres)) == 36


def test_images_without_depth_are_refused(encoder: Any) -> None:
    with pytest.raises(ValueError, match="must be .H, W. with finite values"):
        encoder.codes(np.full((4, 4), np.nan))
    with pytest.raises(ValueError, match="must be .H, W. with finite values"):
        encoder.codes(np.zeros((4, 4, 3)))
