# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Image messages to arrays and back."""

import sys

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from molmoact_ros.policy.pixels import ImageError, rgb_from_compressed, rgb_from_image
from molmoact_ros.ros.images import compressed_from_rgb, image_from_rgb

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
PADDING = 6  # bytes at the end of each row
CODES = {
    "rgb8": None,
    "bgr8": cv2.COLOR_RGB2BGR,
    "rgba8": cv2.COLOR_RGB2RGBA,
    "bgra8": cv2.COLOR_RGB2BGRA,
    "mono8": cv2.COLOR_RGB2GRAY,
}


def encode(encoding: str) -> Image:
    code = CODES[encoding]
    pixels = RGB if code is None else cv2.cvtColor(RGB, code)
    rows = pixels.reshape(len(RGB), -1)
    padded = np.pad(rows, ((0, 0), (0, PADDING)), constant_values=99)
    message = Image(height=5, width=7, encoding=encoding, step=padded.shape[1])
    message.data = padded.tobytes()
    return message


@pytest.mark.parametrize("encoding", CODES)
def test_reads_padded_rows_without_copying(encoding: str) -> None:
    message = encode(encoding)
    rgb = rgb_from_image(message, "/front")
    gray = cv2.cvtColor(RGB, cv2.COLOR_RGB2GRAY)
    expected = np.dstack([gray] * 3) if encoding == "mono8" else RGB
    np.testing.assert_array_equal(rgb, expected)
    assert np.shares_memory(rgb, np.frombuffer(message.data, np.uint8))


def test_short_data_is_an_error_with_topic_and_numbers() -> None:
    message = encode("bgr8")
    message.data = message.data[:-1]
    with pytest.raises(ImageError, match=r"/front: data has 134 bytes, .* 5 x 27"):
        rgb_from_image(message, "/front")


def test_step_below_width_is_an_error() -> None:
    message = encode("rgba8")
    message.step = 27
    with pytest.raises(ImageError, match="/front: step 27 is less than 28 bytes"):
        rgb_from_image(message, "/front")


def test_empty_image_is_an_error() -> None:
    with pytest.raises(ImageError, match="/front: the image is empty"):
        rgb_from_image(Image(encoding="rgb8"), "/front")


def test_unknown_encoding_without_cv_bridge_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv_bridge", None)
    message = encode("rgb8")
    message.encoding = "bayer_rggb8"
    with pytest.raises(ImageError, match="/front: encoding 'bayer_rggb8'.*cv_bridge"):
        rgb_from_image(message, "/front")


def test_raw_round_trip_keeps_header_and_pixels() -> None:
    header = Header(frame_id="camera_optical")
    message = image_from_rgb(RGB[:, ::-1], header)
    assert message.header == header
    np.testing.assert_array_equal(rgb_from_image(message, "/front"), RGB[:, ::-1])


def test_jpeg_round_trip_is_close() -> None:
    smooth = cv2.resize(RGB, (64, 48), interpolation=cv2.INTER_CUBIC)
    message = compressed_from_rgb(smooth, Header())
    assert "jpeg" in message.format
    difference = rgb_from_compressed(message, "/front").astype(int) - smooth
    assert np.abs(difference).mean() < 6


def test_broken_jpeg_is_an_error() -> None:
    for data in (b"", b"not a jpeg"):
        with pytest.raises(ImageError, match=f"/front: cannot decode {len(data)} bytes"):
            rgb_from_compressed(CompressedImage(format="jpeg", data=data), "/front")


LARGE = {"height": 4001, "width": 4000, "step": 12000, "encoding": "rgb8"}


def test_the_declared_size_is_compared_before_anything_is_read() -> None:
    with pytest.raises(ImageError, match=r"/front: 4000x4001 px are more than max_image_pixels"):
        rgb_from_image(Image(**LARGE), "/front")
    with pytest.raises(ImageError, match="/front: data has 0 bytes"):
        rgb_from_image(Image(**LARGE), "/front", 4000 * 4001)


def test_data_of_more_bytes_than_any_encoding_has_is_an_error() -> None:
    message = encode("rgb8")
    message.data = bytes(8 * 35 + 1)
    with pytest.raises(ImageError, match="/front: 281 bytes are more than 8 for each"):
        rgb_from_image(message, "/front", 35)


def test_a_long_encoding_is_quoted_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv_bridge", None)
    message = encode("rgb8")
    message.encoding = "x" * 1_000_000
    with pytest.raises(ImageError, match="encoding 'x{40}...' is not") as caught:
        rgb_from_image(message, "/front")
    assert len(str(caught.value)) < 300
