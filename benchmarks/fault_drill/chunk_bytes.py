# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A chunk as the bytes that DDS carries, for what a message object of rclpy would not accept."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

_NUMBERS = {"uint32": "I", "int32": "i", "uint64": "Q", "double": "d", "boolean": "?"}
_HEADER = b"\x00\x01\x00\x00"  # little-endian CDR


def serialize(message: Any, names: int | None = None, values: int | None = None) -> bytes:
    """Return a message as plain CDR.

    Args:
        message: Small; gives all fields.
        names: Number of entries of `names` instead of its own.
        values: Number of entries of `values` instead of its own.
    """
    out = bytearray()
    sizes = {"names": names, "values": values}
    for name, kind in message.get_fields_and_field_types().items():
        _put(out, kind, getattr(message, name), sizes.get(name))
    return _HEADER + bytes(out)


def _put(out: bytearray, kind: str, value: Any, size: int | None = None) -> None:
    if kind in _NUMBERS:
        code = _NUMBERS[kind]
        _align(out, struct.calcsize(code))
        out += struct.pack(f"<{code}", value)
    elif kind.startswith("string"):
        text = value.encode() + b"\0"
        _put(out, "uint32", len(text))
        out += text
    elif kind.startswith("sequence<double"):
        numbers = np.zeros(size) if size is not None else np.array(value, dtype="<f8")
        _put(out, "uint32", len(numbers))
        if len(numbers):
            _align(out, 8)
        out += numbers.tobytes()
    elif kind.startswith("sequence<string"):
        _put(out, "uint32", len(value) if size is None else size)
        if size is not None:
            out += struct.pack("<I4s", 4, b"xxx\0") * size
            return
        for text in value:
            _put(out, "string", text)
    else:  # another message, e.g. std_msgs/Header
        for name, inner in value.get_fields_and_field_types().items():
            _put(out, inner, getattr(value, name))


def _align(out: bytearray, size: int) -> None:
    out += bytes(-len(out) % size)
