# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Drawn paths are clipped and simplified."""

import numpy as np
import pytest

from molmoact_ros.answer.trajectory import clipped, simplified


def test_points_outside_of_the_image_are_moved_to_its_edge() -> None:
    points = np.array([[-5.0, 10.0], [300.0, 256.0]])
    assert clipped(points).tolist() == [[0.0, 10.0], [255.0, 255.0]]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_short_paths_stay(count: int) -> None:
    points = np.arange(2.0 * count).reshape(count, 2)
    assert np.array_equal(simplified(points), points)


def test_a_straight_line_of_many_points_becomes_its_ends() -> None:
    x = np.linspace(10.0, 200.0, 300)
    noise = np.random.default_rng(0).uniform(-0.4, 0.4, 300)
    path = np.column_stack([x, 0.5 * x + noise])
    assert np.array_equal(simplified(path), path[[0, -1]])


def test_corners_are_kept() -> None:
    corners = np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 100.0], [0.0, 100.0], [0.0, 50.0]])
    dense = [np.linspace(a, b, 50) for a, b in zip(corners[:-1], corners[1:], strict=True)]
    assert np.array_equal(simplified(np.concatenate(dense)), corners)


def test_a_scribble_is_left_with_five_points_and_its_ends() -> None:
    path = np.random.default_rng(1).uniform(0.0, 255.0, (500, 2))
    simple = simplified(path)
    assert len(simple) == 5
    assert np.array_equal(simple[[0, -1]], path[[0, -1]])


def test_a_path_back_to_its_start_keeps_its_turning_point() -> None:
    path = np.array([[0.0, 0.0], [50.0, 0.0], [100.0, 0.0], [50.0, 0.0], [0.0, 0.0]])
    assert np.array_equal(simplified(path), path[[0, 2, 4]])
