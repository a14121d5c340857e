# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Pixels of image messages, and JPEGs. No ROS in it: messages read from a bag work as well.

The common encodings are read without copying: the array is a view of the message's buffer.
"""

from __future__ import annotations

from typing import Any, Protocol

import cv2
import numpy as np

JPEG_QUALITY = 90

_GRID_MAX = 255.0  # coordinates of the model, both axes (spec 14)

# Encoding to (channels in memory, index of the RGB channels among them).
_RGB_CHANNELS = {
    "rgb8": (3, slice(None)),
    "bgr8": (3, slice(None, None, -1)),
    "rgba8": (4, slice(0, 3)),
    "bgra8": (4, slice(2, None, -1)),
    "mono8": (1, slice(None)),  # one channel, repeated
}
RGB_ENCODINGS = tuple(_RGB_CHANNELS)


class ImageMessage(Protocol):
    """What is read of a sensor_msgs/Image."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


class CompressedImageMessage(Protocol):
    """What is read of a sensor_msgs/CompressedImage."""

    format: str
    data: Any


class ImageError(ValueError):
    """An image message can not be read; the text names the topic and the reason."""


def rgb_from_image(message: ImageMessage, topic: str) -> np.ndarray:
    """Read an image message.

    Args:
        message: Any encoding of ``rgb8 bgr8 rgba8 bgra8 mono8``; others need cv_bridge.
        topic: Named in errors.

    Returns:
        RGB uint8 ``[H, W, 3]``: a view of the message's data with any strides (row padding,
        reversed or repeated channels), so the message must not be changed afterwards.

    Raises:
        ImageError: Empty image, unknown encoding, ``step`` too small, data too short.
    """
    if message.encoding not in _RGB_CHANNELS:
        return _rgb_by_cv_bridge(message, topic)
    channels, rgb = _RGB_CHANNELS[message.encoding]
    height, width, step = message.height, message.width, message.step
    if height == 0 or width == 0:
        raise ImageError(f"{topic}: the image is empty ({width}x{height} px)")
    if step < width * channels:
        raise ImageError(
            f"{topic}: step {step} is less than {width * channels} bytes "
            f"({width} px of {message.encoding})"
        )
    data = np.frombuffer(message.data, dtype=np.uint8)
    if data.size < height * step:
        raise ImageError(
            f"{topic}: data has {data.size} bytes, height x step needs {height} x {step}"
        )
    rows = data[: height * step].reshape(height, step)[:, : width * channels]
    pixels = rows.reshape(height, width, channels)[:, :, rgb]
    return np.broadcast_to(pixels, (height, width, 3))


def rgb_from_compressed(message: CompressedImageMessage, topic: str) -> np.ndarray:
    """Decode a JPEG or PNG message to RGB uint8 ``[H, W, 3]``.

    Raises:
        ImageError: The data is not an image that OpenCV can decode.
    """
    data = np.frombuffer(message.data, dtype=np.uint8)
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if bgr is None:
        raise ImageError(
            f"{topic}: can not decode {data.size} bytes of compressed format '{message.format}'"
        )
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))


def jpeg_from_rgb(rgb: np.ndarray) -> bytes:
    """Encode RGB uint8 ``[H, W, 3]`` as JPEG.

    Raises:
        ImageError: OpenCV can not encode it.
    """
    bgr = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2BGR)
    encoded, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not encoded:
        raise ImageError(f"can not encode a {rgb.shape[1]}x{rgb.shape[0]} px image as JPEG")
    return bytes(jpeg.tobytes())


def pixels_of(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return points ``[K, 2]``, 0..255, as pixels of an image of (width, height) (spec 14)."""
    scaled = np.asarray(points, dtype=np.float64).reshape(-1, 2) / _GRID_MAX
    return scaled * _last_pixel(size)


def grid_of(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return pixels ``[K, 2]`` of an image of (width, height) as points, 0..255 (spec 14)."""
    return np.asarray(pixels, dtype=np.float64).reshape(-1, 2) * _GRID_MAX / _last_pixel(size)


def _rgb_by_cv_bridge(message: ImageMessage, topic: str) -> np.ndarray:
    try:
        from cv_bridge import CvBridge, CvBridgeError
    except ImportError as error:
        known = ", ".join(RGB_ENCODINGS)
        raise ImageError(
            f"{topic}: encoding '{message.encoding}' is not one of {known}; "
            "install cv_bridge (ros-$ROS_DISTRO-cv-bridge) to read others"
        ) from error
    try:
        return np.asarray(CvBridge().imgmsg_to_cv2(message, desired_encoding="rgb8"))
    except (CvBridgeError, KeyError, ValueError, TypeError) as error:
        raise ImageError(
            f"{topic}: cv_bridge can not read encoding '{message.encoding}': {error}"
        ) from error


def _last_pixel(size: tuple[int, int]) -> np.ndarray:
    return np.array(size, dtype=np.float64) - 1.0
