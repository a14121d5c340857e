# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Messages as bytes: msgpack, with arrays as openpi's client and server write them.

An array is a mapping `{b"__ndarray__": True, b"data": bytes, b"dtype": "<f8", b"shape": [2, 3]}`.
Nothing of what arrives is executed or imported, and what it may cost is known before it is paid.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgpack
import numpy as np

from molmoact_ros.small_files import shown

from .fields import WireError, plain, read
from .wire import PROTOCOL

_TYPE = "type"
_ARRAY, _DATA, _DTYPE, _SHAPE = b"__ndarray__", b"data", b"dtype", b"shape"
_DTYPES = ("|u1", "<i4", "<f4", "<f8", "|b1")
_MAX_AXES = 4
_MAX_AXIS = 1 << 24  # entries
# A byte can declare a list, which takes 56: of these together a message may cost some 100 MB.
_MAX_LIST = 4096  # entries
_MAX_MAP = 64  # keys
_MAX_CONTAINERS = 512  # lists and mappings of one message


class ProtocolError(WireError):
    """The other end has another version of the protocol.

    Attributes:
        theirs: Its version, as a short text.
    """

    def __init__(self, theirs: Any) -> None:
        self.theirs = shown(theirs)
        super().__init__("protocol", f"is {self.theirs} at the other end, {PROTOCOL} at this one")


def encode(message: Any) -> bytes:
    """Return a message of `wire` as bytes.

    Raises:
        TypeError: A field holds what cannot be sent, such as an array of objects.
    """
    content = {_TYPE: type(message).__name__.lower(), **plain(message)}
    return bytes(msgpack.packb(content, default=_pack))


def decode(data: bytes | str, kinds: Iterable[type[Any]], max_bytes: int) -> Any:
    """Return the message that bytes hold.

    Args:
        data: One message of the websocket.
        kinds: Classes of `wire` that are accepted now.
        max_bytes: Of one message.

    Raises:
        ProtocolError: It begins a connection by another version of the protocol.
        WireError: It is something else; nothing else is raised, whatever the bytes are.
    """
    if not isinstance(data, bytes):
        raise WireError("", "is a text message; messages are binary")
    if len(data) > max_bytes:
        raise WireError("", f"has {len(data)} bytes, at most {max_bytes} are accepted")
    content = _unpacked(data)
    if not isinstance(content, dict) or not isinstance(content.get(_TYPE), str):
        raise WireError(_TYPE, "is missing: a message is a mapping with its type")
    known = {kind.__name__.lower(): kind for kind in kinds}
    name = content.pop(_TYPE)
    if name not in known:
        raise WireError(_TYPE, f"{shown(name)} is not one of {', '.join(known)}")
    if content.get("protocol", PROTOCOL) != PROTOCOL:
        raise ProtocolError(content["protocol"])
    return read(known[name], content, name)


def _unpacked(data: bytes) -> Any:
    count = 0

    def counted(value: Any) -> Any:
        nonlocal count
        count += 1
        if count > _MAX_CONTAINERS:
            raise WireError("", f"has more than {_MAX_CONTAINERS} lists and mappings")
        return value

    try:
        return msgpack.unpackb(
            data,
            list_hook=counted,
            object_pairs_hook=lambda pairs: counted(_mapping(pairs)),
            ext_hook=_refuse_extension,
            max_array_len=_MAX_LIST,
            max_map_len=_MAX_MAP,
        )
    except WireError:
        raise
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise WireError("", f"is not msgpack: {str(error)[:200]}") from None


def _mapping(pairs: list[tuple[Any, Any]]) -> Any:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise WireError("", "has a field twice")
    return _unpack(content) if _ARRAY in content else content


def _pack(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        raise TypeError(f"a message cannot hold {shown(value)}")
    data = np.asarray(value, dtype=value.dtype.newbyteorder("<"))
    if data.dtype.str not in _DTYPES:
        raise TypeError(f"a message cannot hold an array of {value.dtype}")
    return {_ARRAY: True, _DATA: data.tobytes(), _DTYPE: data.dtype.str, _SHAPE: list(data.shape)}


def _unpack(content: Mapping[Any, Any]) -> np.ndarray:
    """Return a read-only array; it is a view of the bytes."""
    if set(content) != {_ARRAY, _DATA, _DTYPE, _SHAPE} or content[_ARRAY] is not True:
        raise WireError("", "has an array with other fields than data, dtype and shape")
    data, dtype, shape = content[_DATA], content[_DTYPE], content[_SHAPE]
    if dtype not in _DTYPES:
        raise WireError("", f"has an array of {shown(dtype)}; known: {', '.join(_DTYPES)}")
    is_shape = isinstance(shape, list) and len(shape) <= _MAX_AXES
    if not is_shape or not all(type(axis) is int and 0 <= axis <= _MAX_AXIS for axis in shape):
        raise WireError("", f"has an array of the shape {shown(shape)}")
    if not isinstance(data, bytes) or len(data) != math.prod(shape) * np.dtype(dtype).itemsize:
        raise WireError("", f"has an array whose data does not fill {dtype} {shape}")
    return np.frombuffer(data, dtype).reshape(shape)


def _refuse_extension(code: int, data: bytes) -> Any:
    raise WireError("", f"has an extension type ({code})")
