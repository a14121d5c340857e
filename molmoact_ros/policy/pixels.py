# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Pixels of image messages, and JPEGs; needs no ROS, so that messages of a bag work as well.

The common encodings are read without copying: the array is a view of the message's buffer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from .image_headers import declared_size

JPEG_QUALITY = 90
MAX_IMAGE_PIXELS = 16_000_000  # where nobody sets another limit; 4K has 8.3 million
_BYTES_PER_PIXEL = 8  # at most, of any encoding, with room for padding

_LONGEST_QUOTE = 40  # characters

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
    """An image message cannot be read; the text names the topic and the reason."""


def rgb_from_image(
    message: ImageMessage, topic: str, max_pixels: int = MAX_IMAGE_PIXELS
) -> np.ndarray:
    """Read an image message.

    Args:
        message: Any encoding of `rgb8 bgr8 rgba8 bgra8 mono8`; others need cv_bridge.
        topic: Named in errors.
        max_pixels: Larger images are refused before anything is computed from them.

    Returns:
        RGB uint8 `[H, W, 3]`: a view of the message's data with any strides (row padding,
        reversed or repeated channels), so the message must not be changed afterwards.

    Raises:
        ImageError: Empty image or one of too many pixels, unknown encoding, `step` too small,
            data too short or too long.
    """
    channels, rgb = _RGB_CHANNELS.get(message.encoding, (0, None))
    rows = pixel_rows(message, topic, channels, max_pixels)
    if rgb is None:
        return _rgb_by_cv_bridge(message, topic)
    height, width = message.height, message.width
    pixels = rows.reshape(height, width, channels)[:, :, rgb]
    return np.broadcast_to(pixels, (height, width, 3))


def pixel_rows(
    message: ImageMessage, topic: str, pixel_bytes: int, max_pixels: int = MAX_IMAGE_PIXELS
) -> np.ndarray:
    """Return the pixels of an image without the padding of its rows.

    Args:
        message: The image.
        topic: Named in errors.
        pixel_bytes: Of one pixel; 0: not known, nothing is returned of the rows.
        max_pixels: Larger images are refused before anything is computed from them.

    Returns:
        uint8 `[H, W * pixel_bytes]`, a view of the message's data.

    Raises:
        ImageError: Empty image or one of too many pixels, `step` too small, data too short or
            too long.
    """
    height, width, step = message.height, message.width, message.step
    data = np.frombuffer(message.data, dtype=np.uint8)
    check_size((width, height), data.size, topic, max_pixels)
    if data.size < height * step:
        raise ImageError(
            f"{topic}: data has {data.size} bytes, height x step needs {height} x {step}"
        )
    if step < width * pixel_bytes:
        raise ImageError(
            f"{topic}: step {step} is less than {width * pixel_bytes} bytes "
            f"({width} px of {message.encoding})"
        )
    return data[: height * step].reshape(height, step)[:, : width * pixel_bytes]


def rgb_from_compressed(
    message: CompressedImageMessage, topic: str, max_pixels: int = MAX_IMAGE_PIXELS
) -> np.ndarray:
    """Decode a JPEG or PNG message to RGB uint8 `[H, W, 3]`.

    Args:
        message: The message; its `format` is not relied on.
        topic: Named in errors.
        max_pixels: Pictures that declare more are refused before they are decoded.

    Raises:
        ImageError: It is no JPEG or PNG, too large, or broken.
    """
    check_compressed(message, topic, max_pixels)
    return _decoded(np.frombuffer(message.data, dtype=np.uint8), topic)


def rgb_from_file(path: Path, name: str, max_pixels: int = MAX_IMAGE_PIXELS) -> np.ndarray:
    """Decode a JPEG or PNG file, likewise.

    Raises:
        ImageError: As `rgb_from_compressed`.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        encoded = file.read(max_pixels * _BYTES_PER_PIXEL + 1)  # one more is one too many
    _check_encoded(encoded, name, max_pixels)
    return _decoded(np.frombuffer(encoded, dtype=np.uint8), name)


def check_compressed(message: CompressedImageMessage, topic: str, max_pixels: int) -> None:
    """Refuse a message that `rgb_from_compressed` would refuse by its header; decodes nothing.

    Raises:
        ImageError: It is no JPEG or PNG, or too large.
    """
    try:
        _check_encoded(message.data, topic, max_pixels)
    except ImageError as error:
        raise ImageError(f"{error} (format {shortened(message.format)})") from error


def check_size(
    size: tuple[int, int], n_bytes: int, name: str, max_pixels: int = MAX_IMAGE_PIXELS
) -> None:
    """Refuse a picture by what is known before it is read.

    Args:
        size: Width and height as they are declared, px.
        n_bytes: Of its data.
        name: Its topic or file, named in errors.
        max_pixels: Limit of width x height; the data may have eight bytes for each.

    Raises:
        ImageError: It is empty or too large.
    """
    width, height = size
    if width == 0 or height == 0:
        raise ImageError(f"{name}: the image is empty ({width}x{height} px)")
    if width * height > max_pixels:
        raise ImageError(
            f"{name}: {width}x{height} px are more than max_image_pixels ({max_pixels})"
        )
    if n_bytes > max_pixels * _BYTES_PER_PIXEL:
        raise ImageError(
            f"{name}: {n_bytes} bytes are more than {_BYTES_PER_PIXEL} for each of "
            f"max_image_pixels ({max_pixels})"
        )


def jpeg_from_rgb(rgb: np.ndarray) -> bytes:
    """Encode RGB uint8 `[H, W, 3]` as JPEG.

    Raises:
        ImageError: OpenCV cannot encode it.
    """
    bgr = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2BGR)
    encoded, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not encoded:
        raise ImageError(f"cannot encode a {rgb.shape[1]}x{rgb.shape[0]} px image as JPEG")
    return bytes(jpeg.tobytes())


def shortened(text: str) -> str:
    """Return a text of a message, quoted, with its beginning only when it is long."""
    return repr(text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "...")


def _rgb_by_cv_bridge(message: ImageMessage, topic: str) -> np.ndarray:
    try:
        from cv_bridge import CvBridge
    except ImportError as error:
        known = ", ".join(RGB_ENCODINGS)
        raise ImageError(
            f"{topic}: encoding {shortened(message.encoding)} is not one of {known}; "
            "install cv_bridge (ros-$ROS_DISTRO-cv-bridge) to read others"
        ) from error
    try:
        return np.asarray(CvBridge().imgmsg_to_cv2(message, desired_encoding="rgb8"))
    except Exception as error:  # noqa: BLE001 - it has errors of many kinds, C++'s among them
        raise ImageError(
            f"{topic}: cv_bridge cannot read encoding {shortened(message.encoding)}: {error}"
        ) from error


def _check_encoded(encoded: Any, name: str, max_pixels: int) -> None:
    data = memoryview(encoded).cast("B")
    try:
        size = declared_size(data)
    except ValueError as error:
        raise ImageError(f"{name}: cannot decode {len(data)} bytes: {error}") from error
    check_size(size, len(data), name, max_pixels)


def _decoded(data: np.ndarray, name: str) -> np.ndarray:
    try:
        bgr = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ImageError(f"{name}: OpenCV cannot decode {data.size} bytes: {error}") from error
    if bgr is None:
        raise ImageError(f"{name}: OpenCV cannot decode {data.size} bytes")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
