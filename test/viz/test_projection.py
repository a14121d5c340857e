# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Pixels back into space, checked against forward projection."""

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molmoact_ros.viz.projection import (
    PinholeCamera,
    Plane,
    onto_depth,
    onto_plane,
    rescale,
)

MATRIX = np.array([[500.0, 0.0, 320.0], [0.0, 520.0, 230.0], [0.0, 0.0, 1.0]])
CAMERA = PinholeCamera(640, 480, MATRIX)
SIZE = (640, 480)
TILTED = Plane(np.array([0.1, -0.8, -0.6]), -0.9)  # a table, seen from above

numbers = st.floats(-1.0, 1.0, allow_nan=False)
places = st.lists(st.tuples(numbers, numbers, st.floats(0.2, 4.0)), min_size=1, max_size=8)


def project(points: np.ndarray, matrix: np.ndarray = MATRIX) -> np.ndarray:
    pixels = points @ matrix.T
    return pixels[:, :2] / pixels[:, 2:]


@settings(max_examples=200)
@given(places)
def test_points_of_a_plane_come_back(raw: list[tuple[float, float, float]]) -> None:
    points = np.array(raw)
    points[:, 2] = (TILTED.distance - points[:, :2] @ TILTED.normal[:2]) / TILTED.normal[2]
    points = points[points[:, 2] > 0.05]
    if not len(points):
        return
    back = onto_plane(CAMERA.rays(project(points), SIZE), TILTED, max_range=100.0)
    assert np.allclose(back, points, atol=1e-9)


def test_a_plane_in_front_of_the_camera() -> None:
    wall = Plane(np.array([0.0, 0.0, 1.0]), 2.0)
    points = onto_plane(CAMERA.rays([[320, 230], [820, 230], [320, 750]], SIZE), wall, 10.0)
    assert np.allclose(points, [[0, 0, 2], [2, 0, 2], [0, 2, 2]])


def test_what_is_behind_parallel_or_far_is_unknown() -> None:
    floor = Plane(np.array([0.0, 1.0, 0.0]), 1.5)  # 1.5 m below the camera
    pixels = [[320, 240], [320, 230], [320, 100], [320, 231]]
    points = onto_plane(CAMERA.rays(pixels, SIZE), floor, max_range=100.0)
    assert np.allclose(points[0], [0, 1.5, 78.0])
    assert np.isnan(points[1:]).all(), "the horizon, the sky, and 780 m"


def test_the_same_plane_in_another_frame() -> None:
    """A table at height 0.4 m in the base frame, seen by the simulator's camera."""
    from molmoact_ros.sim import Tabletop

    sim = Tabletop(seed=2)
    camera = sim.camera("camera", 252, 252)
    table = Plane(np.array([0.0, 0.0, 1.0]), 0.4)
    # Optical frame to base; the plane goes the other way.
    rotation, translation = camera.rotation.T, -camera.rotation.T @ camera.position
    in_camera = table.moved(rotation, translation)
    spots = np.array([[1.2, 0.6, 0.4], [1.35, 0.9, 0.4]])
    rays = PinholeCamera(252, 252, camera.matrix).rays(camera.project(spots), (252, 252))
    found = onto_plane(rays, in_camera, 10.0)
    assert np.allclose(found @ camera.rotation.T + camera.position, spots, atol=1e-9)


@pytest.mark.parametrize(
    ("model", "coefficients"),
    [
        ("plumb_bob", (-0.28, 0.07, 0.0005, -0.0003, 0.0)),
        ("rational_polynomial", (0.3, 0.1, 0.0003, -0.0002, 0.01, 0.5, 0.2, 0.02)),
        ("equidistant", (-0.02, 0.004, -0.003, 0.0006)),
    ],
)
def test_distortion_is_undone(model: str, coefficients: tuple[float, ...]) -> None:
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.uniform(-0.4, 0.4, (20, 2)), np.ones(20)])
    none = np.zeros(3)
    if model == "equidistant":
        project_points = cv2.fisheye.projectPoints
        pixels, _ = project_points(points[:, None], none, none, MATRIX, np.array(coefficients))
    else:
        pixels, _ = cv2.projectPoints(points, none, none, MATRIX, np.array(coefficients))
    rays = PinholeCamera(640, 480, MATRIX, coefficients, model).rays(pixels.reshape(-1, 2), SIZE)
    assert np.allclose(rays, points, atol=1e-6)
    assert not np.allclose(CAMERA.rays(pixels.reshape(-1, 2), SIZE), points, atol=1e-3)


def test_a_smaller_picture_of_the_same_view() -> None:
    """The first pixel of a picture of half the size covers the first two of the large one."""
    corners = rescale([[0, 0], [319, 239]], (320, 240), SIZE)
    assert np.allclose(corners, [[0.5, 0.5], [638.5, 478.5]])
    large = CAMERA.rays([[100.5, 200.5]], SIZE)
    assert np.allclose(CAMERA.rays([[50, 100]], (320, 240)), large)


def test_depth_is_measured_along_the_axis() -> None:
    depth = np.full((480, 640), 1.5, dtype=np.float32)
    depth[:, 320:] = 0.5
    pixels = [[100.0, 50.0], [600.0, 50.0]]
    points = onto_depth(CAMERA.rays(pixels, SIZE), pixels, SIZE, depth, max_range=10.0)
    assert np.allclose(points[:, 2], [1.5, 0.5])
    assert np.allclose(project(points), pixels)


def test_depth_of_the_simulator_finds_the_block() -> None:
    from molmoact_ros.sim import Tabletop

    sim = Tabletop(seed=3)
    _, depth = sim.render("camera", 320, 320)
    sim.close()
    view = sim.camera("camera", 252, 252)  # the trajectory belongs to a smaller picture
    block = sim.block_pose("green")[0]
    pixels = view.project(block[None])
    rays = PinholeCamera(252, 252, view.matrix).rays(pixels, (252, 252))
    found = onto_depth(rays, pixels, (252, 252), depth, max_range=10.0)
    place = found[0] @ view.rotation.T + view.position
    assert np.linalg.norm(place - block) < 0.04, "on the surface of a block of 4 cm"


def test_holes_of_a_depth_camera_are_bridged_when_small() -> None:
    depth = np.full((480, 640), 2.0, dtype=np.float32)
    depth[50, 100] = 0.0
    depth[200:300, 200:300] = np.nan
    pixels = np.array([[100.0, 50.0], [250.0, 250.0], [-20.0, 10.0], [2000.0, 10.0]])
    points = onto_depth(CAMERA.rays(pixels, SIZE), pixels, SIZE, depth, max_range=50.0)
    assert points[0, 2] == 2.0 and np.isnan(points[1:]).all()
    near = onto_depth(CAMERA.rays(pixels, SIZE), pixels, SIZE, depth, max_range=1.0)
    assert np.isnan(near).all()


def test_no_points() -> None:
    rays = CAMERA.rays(np.empty((0, 2)), SIZE)
    assert rays.shape == onto_plane(rays, TILTED, 1.0).shape == (0, 3)
    depth = np.ones((4, 4), np.float32)
    assert onto_depth(rays, np.empty((0, 2)), SIZE, depth, 1.0).shape == (0, 3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"matrix": np.zeros((3, 3))}, "not calibrated"),
        ({"matrix": np.full((3, 3), np.nan)}, "not calibrated"),
        ({"width": 0}, "not calibrated"),
        ({"model": "omnidirectional"}, "omnidirectional"),
    ],
)
def test_a_useless_camera_is_refused(change: dict, words: str) -> None:
    good = {"width": 640, "height": 480, "matrix": MATRIX}
    with pytest.raises(ValueError, match=words):
        PinholeCamera(**(good | change))


def test_a_plane_needs_a_normal() -> None:
    with pytest.raises(ValueError, match="normal"):
        Plane(np.zeros(3), 1.0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"distortion": (0.1, 0.2, 0.3)}, "d has 3 coefficients; 'plumb_bob' has 4, 5, 8, 12, 14"),
        ({"distortion": (0.1,) * 5, "model": "fisheye"}, "d has 5 coefficients; 'fisheye' has 4"),
        ({"distortion": (0.0,) * 15}, "d has 15 coefficients"),
        ({"distortion": (np.nan,) * 5}, "d holds a number that is not finite"),
        ({"matrix": MATRIX * [[1], [1], [0]]}, "k is no camera matrix"),
        ({"matrix": MATRIX + np.inf}, "k is no camera matrix"),
        ({"model": "x" * 100_000}, "distortion model 'xxx"),
    ],
)
def test_an_impossible_calibration_is_refused(changes: dict[str, Any], expected: str) -> None:
    facts = {"width": 640, "height": 480, "matrix": MATRIX, **changes}
    with pytest.raises(ValueError, match=expected) as error:
        PinholeCamera(**facts)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("count", [0, 3, 5, 14])
def test_zeros_are_no_distortion(count: int) -> None:
    camera = PinholeCamera(640, 480, MATRIX, (0.0,) * count)
    assert np.array_equal(camera.rays([[1, 2]], SIZE), CAMERA.rays([[1, 2]], SIZE))
