# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Frame preparation: Pillow's numbers, LIBERO's crop and SimplerEnv's resize."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from golden_files import DATA

from molmoact_ros.processing.frames import centre_crop, fit_longest_side, resample

GOLDEN = np.load(DATA / "golden" / "vision" / "misc.npz")
PILLOW = np.load(DATA / "pillow_11_resize.npz")


def test_libero_crop() -> None:
    crop = centre_crop(GOLDEN["crop09.in"], 0.9)
    assert crop.shape == (242, 242, 3)
    np.testing.assert_array_equal(resample(crop, (256, 256), "bilinear"), GOLDEN["crop09.out"])


def test_simpler_resize() -> None:
    frame = resample(GOLDEN["simpler_in"], (256, 256), "area")
    np.testing.assert_array_equal(frame, GOLDEN["simpler_resized"])


@pytest.mark.parametrize("kernel", ["bilinear", "lanczos"])
@pytest.mark.parametrize("name", ["shrink_and_stretch", "stretch_and_shrink", "tiny"])
def test_pillow(name: str, kernel: str) -> None:
    expected = PILLOW[f"{name}.{kernel}"]
    size = (expected.shape[1], expected.shape[0])
    np.testing.assert_array_equal(resample(PILLOW[f"{name}.in"], size, kernel), expected)


@pytest.mark.parametrize("kernel", ["bilinear", "lanczos", "area"])
def test_input_is_not_changed_and_a_flat_frame_stays_flat(kernel: str) -> None:
    frame = np.full((90, 70, 3), 200, np.uint8)
    before = frame.copy()
    result = resample(frame, (33, 121), kernel)
    assert result.shape == (121, 33, 3) and np.all(result == 200)
    np.testing.assert_array_equal(frame, before)


@pytest.mark.parametrize(
    "size, expected", [((640, 480), (336, 252)), ((200, 100), (200, 100)), ((9000, 3), (336, 1))]
)
def test_longest_side(size: tuple[int, int], expected: Any) -> None:
    assert fit_longest_side(*size, 336) == expected
