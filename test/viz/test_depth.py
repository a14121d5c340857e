# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The depth picture and the frames of videos."""

import numpy as np
import pytest

from molmoact_ros.viz import depth_picture, side_by_side

RAMP = np.linspace(3, 5, 100).reshape(10, 10)


def test_small_is_dark_and_large_is_bright() -> None:
    picture = depth_picture(RAMP, (200, 160))
    assert picture.shape == (160, 200, 3) and picture.dtype == np.uint8
    rows = picture[:120].mean(axis=(1, 2))
    assert rows[0] < 25 and np.all(np.diff(rows[::16]) > 0)


def test_label_marks_depth_as_relative() -> None:
    labelled = depth_picture(np.ones((10, 10)), (200, 200))
    assert labelled[:170].max() < 10 and labelled[180:].max() > 200


def test_values_that_are_not_finite_are_black() -> None:
    depth = RAMP.copy()
    depth[9, 9] = np.nan
    depth[0, 0] = np.inf
    picture = depth_picture(depth, (100, 100))
    assert picture[0, 0].max() < 10 and picture[65, 65].max() > 100


@pytest.mark.parametrize("depth", [np.zeros(5), np.zeros((0, 4)), np.zeros((1, 2, 2))])
def test_not_a_map(depth: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"\[h, w\]"):
        depth_picture(depth, (10, 10))


def test_frame_for_a_video() -> None:
    left, right = np.full((101, 80, 3), 9, np.uint8), np.full((50, 50, 3), 7, np.uint8)
    frame = side_by_side(left, right)
    assert frame.shape[0] == 102 and frame.shape[1] % 2 == 0 and frame.shape[1] > 180
    np.testing.assert_array_equal(frame[:101, :80], left)
    assert np.all(frame[:101, 90:180] == 7)
