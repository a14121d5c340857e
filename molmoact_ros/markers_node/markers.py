# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A trajectory in space as markers: a line, its points, and the current one."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from molmoact_ros.ros.conversions import time_message

NAMESPACE = "trajectory"
_LINE, _POINTS, _CURRENT = range(3)  # ids; a new message replaces the markers of the last one
_POINT_SIZE = 2.0  # diameter, in line widths
_CURRENT_SIZE = 3.5


def trajectory_markers(
    points: np.ndarray, colours: np.ndarray, header: Header, width: float, lifetime: float
) -> MarkerArray:
    """Return the markers of a trajectory.

    Args:
        points: `[K, 3]`, m, the current one first; NaN where a point is not known.
        colours: RGB uint8 `[K, 3]`.
        header: Frame and stamp.
        width: Of the line, m.
        lifetime: After this time viewers remove it, s; 0: never.
    """
    known = np.flatnonzero(np.isfinite(points).all(axis=1)).tolist()
    segments = [end for i in known if i + 1 in known for end in (i, i + 1)]
    array = MarkerArray()
    for number, kind, chosen, size in (
        (_LINE, Marker.LINE_LIST, segments, Vector3(x=width)),
        (_POINTS, Marker.SPHERE_LIST, known, _ball(width * _POINT_SIZE)),
        (_CURRENT, Marker.SPHERE_LIST, [0] if 0 in known else [], _ball(width * _CURRENT_SIZE)),
    ):
        marker = Marker(header=header, ns=NAMESPACE, id=number, type=kind, scale=size)
        # A list without points is an error for RViz, so an old one is removed instead.
        marker.action = Marker.ADD if chosen else Marker.DELETE
        marker.pose.orientation.w = 1.0
        marker.lifetime = _duration(lifetime)
        marker.points = [_point(points[i]) for i in chosen]
        marker.colors = [_colour(colours[i]) for i in chosen]
        array.markers.append(marker)
    return array


def _point(place: np.ndarray) -> Point:
    x, y, z = (float(value) for value in place)
    return Point(x=x, y=y, z=z)


def _ball(diameter: float) -> Vector3:
    return Vector3(x=diameter, y=diameter, z=diameter)


def _duration(seconds: float) -> Duration:
    stamp = time_message(seconds)
    return Duration(sec=stamp.sec, nanosec=stamp.nanosec)


def _colour(rgb: np.ndarray) -> ColorRGBA:
    r, g, b = (float(value) / 255.0 for value in rgb)
    return ColorRGBA(r=r, g=g, b=b, a=1.0)
