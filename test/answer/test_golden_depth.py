# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Golden VQ-VAE arrays: a decoded map becomes the reference's picture."""

from __future__ import annotations

import numpy as np
import pytest
from golden_files import GOLDEN

from molmoact_ros.answer import DepthTokenizer, normalize_depth
from molmoact_ros.model import load_vqvae

VQVAE = GOLDEN / "vqvae" / "vqvae_tiny.npz"


def test_normalised_pictures() -> None:
    arrays = np.load(VQVAE)
    for decoded, normalized in zip(arrays["decoded"], arrays["normalized"], strict=True):
        np.testing.assert_array_equal(normalize_depth(decoded), normalized)


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_codes_to_relative_depth(suffix: str) -> None:
    arrays = np.load(VQVAE)
    network = load_vqvae(VQVAE.with_suffix(f".{suffix}"))
    tokenizer = DepthTokenizer(rows=6, cols=6, codes=16, network=network)
    for codes, normalized in zip(arrays["codes"], arrays["normalized"], strict=True):
        picture = tokenizer.relative_depth(tokenizer.decode(tokenizer.encode(codes)))
        np.testing.assert_allclose(picture, normalized[0], atol=1e-5)
