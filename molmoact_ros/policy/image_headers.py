# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How large a JPEG or PNG picture will be, read from its header before it is decoded.

A picture of a few hundred bytes can declare any size, and a decoder allocates what is declared.
OpenCV has a limit too, but one of 2^30 pixels, which are 3 GB and minutes of work.
"""

from __future__ import annotations

import itertools
import re

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"
_PNG_SIZE = slice(16, 24)

# As libjpeg looks for the next marker: over garbage, padding and stuffed zeros.
_JPEG_MARKER = re.compile(rb"\xff+[^\x00\xff]")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0..15; DHT, JPG, DAC
_JPEG_BARE = frozenset((0x01, *range(0xD0, 0xD8)))  # TEM, RST0..7: without a length
_JPEG_ENDS = frozenset((0xD8, 0xD9, 0xDA))  # SOI again, EOI, SOS: no frame header came
_MOST_SEGMENTS = 1000  # before the frame header; a colour profile takes 255 at most

# What costs time or memory beside the pixels, and how many of them are accepted. A scan of 31
# bytes is a pass over all pixels, cameras write 1 to 10; a text of 8 kB unpacks to 8 MB.
_JPEG_SCAN = re.compile(rb"\xff\xda")
_MOST_SCANS = 100
_PNG_PACKED = re.compile(rb"zTXt|iTXt|iCCP")
_MOST_PACKED = 8


def declared_size(data: memoryview) -> tuple[int, int]:
    """Return width and height, px, of a picture that is not decoded yet.

    Args:
        data: The whole picture, bytes.

    Raises:
        ValueError: It is neither JPEG nor PNG, its header is broken, or it has more scans or
            packed texts than pictures of cameras have; the text completes "<topic>: ...".
    """
    if data[:3] == _JPEG:
        _check_count(data, _JPEG_SCAN, _MOST_SCANS, "scans")
        return _jpeg_size(data)
    if data[:16] == _PNG and len(data) >= _PNG_SIZE.stop:
        _check_count(data, _PNG_PACKED, _MOST_PACKED, "packed texts")
        size = bytes(data[_PNG_SIZE])
        return int.from_bytes(size[:4], "big"), int.from_bytes(size[4:], "big")
    raise ValueError("it is neither JPEG nor PNG, and other formats are not read")


def _jpeg_size(data: memoryview) -> tuple[int, int]:
    place = 2
    for _ in range(_MOST_SEGMENTS):
        marker = _JPEG_MARKER.search(data, place)
        if marker is None:
            break
        kind, place = data[marker.end() - 1], marker.end()
        if kind in _JPEG_BARE:
            continue
        if kind in _JPEG_ENDS:
            break
        if kind in _JPEG_FRAMES and len(data) >= place + 7:
            height, width = data[place + 3 : place + 5], data[place + 5 : place + 7]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        place += int.from_bytes(data[place : place + 2], "big")
    raise ValueError("a JPEG without a frame header")


def _check_count(data: memoryview, pattern: re.Pattern[bytes], most: int, what: str) -> None:
    if sum(1 for _ in itertools.islice(pattern.finditer(data), most + 1)) > most:
        raise ValueError(f"more than {most} {what}")
