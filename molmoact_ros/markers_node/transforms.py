# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Transforms between frames by tf2, where it is installed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.node import Node

from molmoact_ros.control.rotation import as_matrix, normalised
from molmoact_ros.ros.running import StartError

# (target frame, source frame, stamp) to rotation [3, 3] and translation [3], m, of the source's
# frame in the target's.
Lookup = Callable[[str, str, Time], tuple[np.ndarray, np.ndarray]]


class LookupFailed(LookupError):
    """There is no transform; the text names the frames and the reason."""


def create_lookup(node: Node) -> Lookup:
    """Subscribe to /tf and /tf_static.

    Raises:
        StartError: tf2_ros is not installed.
    """
    try:
        from tf2_ros import Buffer, TransformException, TransformListener
    except ImportError as error:
        raise StartError(
            "parameter 'plane_frame': needs tf2_ros; install ros-$ROS_DISTRO-tf2-ros-py, "
            "or give the plane in the camera's frame"
        ) from error
    buffer = Buffer()
    listener = TransformListener(buffer, node)

    def lookup(target: str, source: str, stamp: Time) -> tuple[np.ndarray, np.ndarray]:
        assert listener is not None  # must live as long as the buffer is used
        try:
            transform = buffer.lookup_transform(target, source, stamp).transform
        except TransformException as error:
            raise LookupFailed(f"no transform from '{source}' to '{target}': {error}") from error
        q, t = transform.rotation, transform.translation
        rotation = as_matrix(normalised(np.array([q.x, q.y, q.z, q.w])))
        return rotation, np.array([t.x, t.y, t.z])

    return lookup
