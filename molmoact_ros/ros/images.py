# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""sensor_msgs images from RGB arrays; `policy.pixels` reads them, without ROS."""

from __future__ import annotations

import array

import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from molmoact_ros.policy.pixels import jpeg_from_rgb


def image_from_rgb(rgb: np.ndarray, header: Header) -> Image:
    """Return an `rgb8` message of RGB uint8 `[H, W, 3]` with the given header."""
    height, width, _ = rgb.shape
    message = Image(header=header, height=height, width=width, encoding="rgb8", step=3 * width)
    message.data = _bytes(np.ascontiguousarray(rgb, dtype=np.uint8).data)
    return message


def compressed_from_rgb(rgb: np.ndarray, header: Header) -> CompressedImage:
    """Return a JPEG message of RGB uint8 `[H, W, 3]` with the given header."""
    message = CompressedImage(header=header, format="rgb8; jpeg compressed bgr8")
    message.data = _bytes(jpeg_from_rgb(rgb))
    return message


def depth_from_metres(metres: np.ndarray, header: Header) -> Image:
    """Return a `16UC1` message, mm, of depth `[H, W]`, m; beyond 65.5 m it is a hole, 0."""
    height, width = metres.shape
    message = Image(header=header, height=height, width=width, encoding="16UC1", step=2 * width)
    millimetres = np.rint(np.where(metres < 65.5, metres, 0.0) * 1000.0)
    message.data = _bytes(np.ascontiguousarray(millimetres, dtype="<u2").view(np.uint8).data)
    return message


def camera_info(matrix: np.ndarray, header: Header, size: tuple[int, int]) -> CameraInfo:
    """Return the message of a pinhole camera without distortion.

    Args:
        matrix: `[3, 3]` intrinsic matrix, px.
        header: Header of the image.
        size: Width and height of the image, px.
    """
    return CameraInfo(
        header=header,
        width=size[0],
        height=size[1],
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=matrix.ravel().tolist(),
        r=np.eye(3).ravel().tolist(),
        p=np.column_stack([matrix, np.zeros(3)]).ravel().tolist(),
    )


def _bytes(content: bytes | memoryview) -> array.array:
    # rclpy checks any other sequence element by element, which costs 40 to 100 ms a frame.
    data = array.array("B")
    data.frombytes(content)
    return data
