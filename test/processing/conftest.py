# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The golden data and processors."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from golden_files import GOLDEN

from molmoact_ros.processing import MolmoActProcessor

VARIANTS = ("qwen_siglip", "olmo_clip")

# The tensors are tiny: more threads only wait for each other.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def processors() -> dict[str, MolmoActProcessor]:
    """Both golden processors."""
    return {name: MolmoActProcessor.from_pretrained(GOLDEN / name) for name in VARIANTS}


@pytest.fixture(scope="session")
def read_image() -> Callable[[str], np.ndarray]:
    """Return a function: name of a golden image (with its folder) to an RGB array."""

    def read(name: str) -> np.ndarray:
        bgr = cv2.imread(str(GOLDEN / name))
        assert bgr is not None
        return np.ascontiguousarray(bgr[:, :, ::-1])

    return read
