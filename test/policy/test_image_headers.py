# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Compressed pictures are measured by their header, and only then decoded."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molmoact_ros.policy.image_headers import declared_size
from molmoact_ros.policy.pixels import ImageError, rgb_from_compressed

RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
PNG_START = b"\x89PNG\r\n\x1a\n"


def encoded(kind: str, *options: int) -> bytes:
    return bytes(cv2.imencode(kind, RGB, options)[1].tobytes())


def segment(marker: int, content: bytes) -> bytes:
    """Return a segment of a JPEG."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG."""
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def decode(data: bytes, form: str = "jpeg", limit: int = 16_000_000) -> np.ndarray:
    return rgb_from_compressed(SimpleNamespace(format=form, data=data), "/front", limit)


JPEG, PNG = encoded(".jpg"), encoded(".png")
# An APP1 with EXIF: turn by 90 degrees.
TURNED = segment(0xE1, b"Exif\0\0MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0))
THUMBNAIL = segment(0xE1, b"thumbnail " + JPEG)
VARIANTS = {
    "baseline": JPEG,
    "progressive": encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "restarts": encoded(".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
    "grey": bytes(cv2.imencode(".jpg", RGB[..., 0])[1].tobytes()),
    "turned": JPEG[:2] + TURNED + JPEG[2:],
    "thumbnail": JPEG[:2] + THUMBNAIL + JPEG[2:],
    "colour profile": JPEG[:2] + segment(0xE2, bytes(65000)) * 255 + JPEG[2:],
    "padding": JPEG[:2] + b"\xff\xff\xff" + JPEG[2:],
    "garbage": JPEG[:2] + segment(0xFE, b"a comment") + b"garbage\xff\x00" + JPEG[2:],
    "png": PNG,
    "png with text": PNG[:33] + chunk(b"zTXt", b"k\0\0" + zlib.compress(b"text")) + PNG[33:],
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_size_and_pixels_are_those_of_the_decoder(variant: str) -> None:
    data = VARIANTS[variant]
    plain = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert plain is not None
    assert declared_size(memoryview(data)) == (30, 20)
    assert plain.shape == ((30, 20, 3) if variant == "turned" else (20, 30, 3))
    np.testing.assert_array_equal(decode(data), plain[..., ::-1])
    with pytest.raises(ImageError, match="/front: 30x20 px are more than max_image_pixels .599."):
        decode(data, limit=599)


def header(kind: str) -> bytes:
    """Return a file of a few bytes that declares 20000 x 20000 px."""
    ihdr = chunk(b"IHDR", struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0))
    return {
        "png": PNG_START + ihdr + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b""),
        "pgm": b"P5 20000 20000 255\n" + bytes(100),
        "bmp": b"BM" + struct.pack("<IIIIiiHH", 154, 0, 54, 40, 20000, 20000, 1, 24) + bytes(124),
        "tiff": b"II*\0" + bytes(100),
        "exr": b"\x76\x2f\x31\x01" + bytes(100),
        "webp": b"RIFF" + bytes(4) + b"WEBPVP8 " + bytes(100),
        "gif": b"GIF89a" + struct.pack("<HH", 20000, 20000) + bytes(100),
    }[kind]


@pytest.fixture
def no_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    def imdecode(*_: object) -> None:
        raise AssertionError("the decoder was reached")

    monkeypatch.setattr(cv2, "imdecode", imdecode)


@pytest.mark.usefixtures("no_decoder")
@pytest.mark.parametrize("size", [(65500, 65500), (30000, 30000), (20000, 20000), (16000, 1001)])
def test_a_jpeg_that_declares_too_much_is_not_decoded(
    declaring: Callable[[int, int], bytes], size: tuple[int, int]
) -> None:
    data = declaring(*size)
    assert len(data) < 700
    with pytest.raises(ImageError, match=f"/front: {size[0]}x{size[1]} px are more than"):
        decode(data)


@pytest.mark.usefixtures("no_decoder")
@pytest.mark.parametrize("kind", ["pgm", "bmp", "tiff", "exr", "webp", "gif"])
def test_formats_whose_header_is_not_read_are_refused(kind: str) -> None:
    with pytest.raises(ImageError, match=rf"/front: .* neither JPEG nor PNG.*\(format '{kind}'\)"):
        decode(header(kind), kind)


@pytest.mark.usefixtures("no_decoder")
def test_what_costs_more_than_its_pixels_is_not_decoded() -> None:
    with pytest.raises(ImageError, match="20000x20000 px are more than"):
        decode(header("png"), "png")
    scan = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 63, 33, 0) + bytes(20)
    with pytest.raises(ImageError, match="more than 100 scans"):
        decode(JPEG[:-2] + scan * 1000 + JPEG[-2:])
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(7_900_000)))
    with pytest.raises(ImageError, match="more than 8 packed texts"):
        decode(PNG[:33] + text * 9 + PNG[33:])


@pytest.mark.usefixtures("no_decoder")
@pytest.mark.parametrize(
    "data",
    [
        JPEG[:2] + segment(0xFE, b"") * 2000 + JPEG[2:],
        JPEG[: JPEG.index(b"\xff\xc0") + 6],
        JPEG[:2] + b"\xff\xd9" + JPEG[2:],
        JPEG[:3] + bytes(1_000_000),
        JPEG[:3],
    ],
    ids=["comments", "cut off", "ended", "zeros", "nothing"],
)
def test_a_jpeg_without_a_frame_header_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="/front: .* a JPEG without a frame header"):
        decode(data)


def test_what_opencv_cannot_decode_is_an_error() -> None:
    for data in (JPEG[:200], PNG[:60], PNG[:33]):
        with pytest.raises(ImageError, match=f"/front: OpenCV cannot decode {len(data)} bytes"):
            decode(data)


def test_an_exception_of_opencv_is_an_error(declaring: Callable[[int, int], bytes]) -> None:
    with pytest.raises(ImageError, match="/front: OpenCV cannot decode .*CV_IO_MAX_IMAGE_PIXELS"):
        decode(declaring(65500, 65500), limit=65500**2)


@settings(max_examples=200)
@given(st.sampled_from([JPEG, PNG, VARIANTS["progressive"], VARIANTS["turned"]]), st.data())
def test_damage_is_an_error_or_a_picture_within_the_limit(
    data: bytes, choose: st.DataObject
) -> None:
    damaged = bytearray(data[: choose.draw(st.integers(0, len(data)))])
    for place in choose.draw(st.lists(st.integers(0, 700), max_size=5)):
        if place < len(damaged):
            damaged[place] = choose.draw(st.integers(0, 255))
    try:
        rgb = decode(bytes(damaged), limit=10_000)
    except ImageError:
        return
    assert rgb.shape[0] * rgb.shape[1] <= 10_000
