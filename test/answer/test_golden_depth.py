# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Golden VQ-VAE arrays: a decoded map becomes the reference's picture."""

from pathlib import Path

import numpy as np

from molmoact_ros.answer import depth_to_uint8, normalize_depth

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "vqvae" / "vqvae_tiny.npz"


def test_normalised_and_uint8_pictures():
    arrays = np.load(GOLDEN)
    for decoded, normalized, picture in zip(
        arrays["decoded"], arrays["normalized"], arrays["uint8"], strict=True
    ):
        np.testing.assert_array_equal(normalize_depth(decoded), normalized)
        np.testing.assert_array_equal(depth_to_uint8(normalized), picture)
