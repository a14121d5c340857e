# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Markers of a trajectory, and depth images in m."""

import numpy as np
import pytest

pytest.importorskip("visualization_msgs.msg")

from builtin_interfaces.msg import Time  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from visualization_msgs.msg import Marker  # noqa: E402

from molmoact_ros.markers_node.markers import trajectory_markers  # noqa: E402
from molmoact_ros.markers_node.metric_depth import metres_from_image  # noqa: E402
from molmoact_ros.policy.pixels import ImageError  # noqa: E402
from molmoact_ros.viz import path_colours  # noqa: E402

HEADER = Header(frame_id="camera_optical", stamp=Time(sec=7, nanosec=8))
POINTS = np.array([[0.0, 0.1, 1.0], [0.2, 0.1, 1.0], [0.4, 0.1, 1.5], [0.5, 0.0, 2.0]])


def markers(points: np.ndarray) -> list[Marker]:
    colours = path_colours("predicted", len(points))
    return trajectory_markers(points, colours, HEADER, width=0.01, lifetime=2.5).markers


def test_a_line_its_points_and_the_current_one() -> None:
    line, spheres, current = markers(POINTS)
    assert {m.action for m in (line, spheres, current)} == {Marker.ADD}
    assert all(m.header == HEADER and m.pose.orientation.w == 1.0 for m in (line, spheres))
    assert (line.type, line.scale.x) == (Marker.LINE_LIST, 0.01)
    assert [(p.x, p.y, p.z) for p in line.points] == [tuple(POINTS[i]) for i in (0, 1, 1, 2, 2, 3)]
    assert [(p.x, p.z) for p in spheres.points] == [(x, z) for x, _, z in POINTS]
    assert [(p.x, p.y, p.z) for p in current.points] == [tuple(POINTS[0])]
    assert current.scale.x > spheres.scale.x > line.scale.x
    assert all(len(m.colors) == len(m.points) for m in (line, spheres, current))
    assert (line.lifetime.sec, line.lifetime.nanosec) == (2, 500_000_000)


def test_colours_are_those_of_the_overlay() -> None:
    colours = path_colours("predicted", 4)
    _, spheres, current = markers(POINTS)
    for colour, expected in zip(spheres.colors, colours, strict=True):
        assert (colour.r * 255, colour.g * 255, colour.b * 255) == pytest.approx(expected, abs=1e-3)
        assert colour.a == 1.0
    assert (current.colors[0].r, current.colors[0].g) == (spheres.colors[0].r, spheres.colors[0].g)
    warm, cold = path_colours("predicted", 3), path_colours("user", 3)
    assert (warm[:, 0] > 200).all() and (cold[:, 2] > 200).all()


def test_unknown_points_leave_a_gap() -> None:
    points = POINTS.copy()
    points[1] = np.nan
    line, spheres, current = markers(points)
    assert len(line.points) == 2 and len(spheres.points) == 3 and len(current.points) == 1
    points[0] = np.nan
    _, _, current = markers(points)
    assert current.action == Marker.DELETE, "it would stand where the arm was before"


@pytest.mark.parametrize("points", [np.empty((0, 3)), np.full((3, 3), np.nan)])
def test_no_trajectory_removes_the_old_one(points: np.ndarray) -> None:
    assert [marker.action for marker in markers(points)] == [Marker.DELETE] * 3


def test_one_point_has_no_line() -> None:
    line, spheres, current = markers(POINTS[:1])
    assert line.action == Marker.DELETE and not line.points
    assert len(spheres.points) == len(current.points) == 1


def depth_message(values: np.ndarray, encoding: str, padding: int = 0, **fields: int) -> Image:
    rows = np.pad(values.view(np.uint8).reshape(len(values), -1), ((0, 0), (0, padding)))
    height, width = values.shape
    parts = {"height": height, "width": width, "step": rows.shape[1]} | fields
    return Image(encoding=encoding, data=rows.tobytes(), **parts)


def test_depth_in_metres() -> None:
    metres = np.array([[0.5, np.nan, 0.0], [1.25, 2.0, 3.0]], dtype=np.float32)
    read = metres_from_image(depth_message(metres, "32FC1", padding=4), "/depth")
    assert np.array_equal(read, metres, equal_nan=True)
    millimetres = np.array([[500, 0], [65535, 1]], dtype=np.uint16)
    for encoding in ("16UC1", "mono16"):
        read = metres_from_image(depth_message(millimetres, encoding), "/depth")
        assert np.allclose(read, [[0.5, 0.0], [65.535, 0.001]])
    big = depth_message(millimetres.byteswap(), "16UC1", is_bigendian=1)
    assert np.allclose(metres_from_image(big, "/depth"), millimetres / 1000)


def test_depth_above_the_limit_is_refused() -> None:
    message = depth_message(np.ones((2, 3), dtype=np.uint16), "16UC1")
    with pytest.raises(ImageError, match=r"/depth: 3x2 px are more than max_image_pixels \(5\)"):
        metres_from_image(message, "/depth", 5)


@pytest.mark.parametrize(
    ("fields", "encoding", "words"),
    [
        ({}, "rgb8", "'rgb8'"),
        ({}, "x" * 100_000, "'xxx.{,100} is not one of"),
        ({"height": 3}, "16UC1", "height x step needs 3 x 4"),
        ({"step": 3}, "16UC1", "step 3"),
    ],
)
def test_wrong_depth_names_the_topic(fields: dict, encoding: str, words: str) -> None:
    message = depth_message(np.ones((2, 2), dtype=np.uint16), encoding, **fields)
    with pytest.raises(ImageError, match=f"/depth: .*{words}"):
        metres_from_image(message, "/depth")
