# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Fields of messages: each names what it accepts, and a whole message is read by its fields.

    @dataclass(frozen=True)
    class Cancel:
        sequence: int = wire(whole(0, MAX_SEQUENCE))

    read(Cancel, {"sequence": 7})

A field without limits cannot be declared: what comes over a network is bounded before it is used.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from molmoact_ros.small_files import shown
from molmoact_ros.yaml_config import join

Reader = Callable[[Any, str], Any]
"""Returns a value of the line as the field has it; is given the value and its place."""

Message = TypeVar("Message")

_READER = "reader"


class WireError(ValueError):
    """A message is not accepted; the text names the field and what is wrong with it."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)


def wire(reader: Reader, default: Any = dataclasses.MISSING, show: bool = True) -> Any:
    """Declare a field of a message.

    Args:
        reader: What it accepts.
        default: Its value when a message does not have it; without one it must be there.
        show: Whether `repr` shows it; not for secrets.
    """
    return dataclasses.field(default=default, repr=show, metadata={_READER: reader})


def read(kind: type[Message], data: Any, path: str = "") -> Message:
    """Build a message from what the line gave.

    Args:
        kind: Dataclass, all of whose fields are declared by `wire`.
        data: Mapping of its fields.
        path: Where `data` stands in a larger message.

    Raises:
        WireError: Unknown or missing field, or a value that its field does not accept.
    """
    if not isinstance(data, Mapping):
        raise WireError(path, f"must be a mapping of fields, is {shown(data)}")
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in data:
        if key not in fields:
            raise WireError(path, f"unknown field {shown(key)}; known: {', '.join(fields)}")
    for name, field in fields.items():
        if name not in data and field.default is dataclasses.MISSING:
            raise WireError(join(path, name), "is missing")
    values = {
        key: fields[key].metadata[_READER](value, join(path, key)) for key, value in data.items()
    }
    try:
        return kind(**values)
    except WireError as error:  # of a message's own check of its fields together
        raise WireError(path, str(error)) from None


def plain(message: Any) -> dict[str, Any]:
    """Return a message as the line has it: a dict of its fields, parts likewise."""
    fields = dataclasses.fields(message)
    return {field.name: _plain(getattr(message, field.name)) for field in fields}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return plain(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


def text(most: int, choices: tuple[str, ...] = ()) -> Reader:
    """Accept text of at most `most` characters, where given only one of `choices`."""

    def reader(value: Any, path: str) -> str:
        if not isinstance(value, str):
            raise WireError(path, f"must be text, is {shown(value)}")
        if len(value) > most:
            raise WireError(path, f"has {len(value)} characters, at most {most} are accepted")
        if choices and value not in choices:
            raise WireError(path, f"{shown(value)} is not one of {', '.join(choices)}")
        return value

    return reader


def whole(low: int, high: int) -> Reader:
    """Accept a whole number of a range."""

    def reader(value: Any, path: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise WireError(path, f"must be a whole number, is {shown(value)}")
        if not low <= value <= high:
            raise WireError(path, f"must be {low}..{high}, is {value}")
        return value

    return reader


def number(low: float = -math.inf, high: float = math.inf) -> Reader:
    """Accept a finite number of a range."""

    def reader(value: Any, path: str) -> float:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise WireError(path, f"must be a number, is {shown(value)}")
        if not math.isfinite(value) or not low <= value <= high:
            raise WireError(path, f"must be a finite number of {low:g}..{high:g}, is {value}")
        return float(value)

    return reader


def flag() -> Reader:
    """Accept true or false."""

    def reader(value: Any, path: str) -> bool:
        if not isinstance(value, bool):
            raise WireError(path, f"must be true or false, is {shown(value)}")
        return value

    return reader


def blob(most: int) -> Reader:
    """Accept at most `most` bytes."""

    def reader(value: Any, path: str) -> bytes:
        if not isinstance(value, bytes):
            raise WireError(path, f"must be bytes, is {shown(value)}")
        if len(value) > most:
            raise WireError(path, f"has {len(value)} bytes, at most {most} are accepted")
        return value

    return reader


def array(dtype: str, *shape: int | tuple[int, int], finite: bool = False) -> Reader:
    """Accept an array.

    Args:
        dtype: Its type as numpy writes it, byte order included, e.g. `<f8`.
        *shape: Length of each axis, or its limits.
        finite: Whether NaN and infinity are refused.
    """
    limits = [axis if isinstance(axis, tuple) else (axis, axis) for axis in shape]

    def reader(value: Any, path: str) -> np.ndarray:
        if not isinstance(value, np.ndarray):
            raise WireError(path, f"must be an array, is {shown(value)}")
        if value.dtype.str != dtype:
            raise WireError(path, f"must be an array of {dtype}, is one of {value.dtype.str}")
        fits = value.ndim == len(limits) and all(
            low <= length <= high for length, (low, high) in zip(value.shape, limits, strict=True)
        )
        if not fits:
            wanted = " x ".join(f"{a}" if a == b else f"{a}..{b}" for a, b in limits)
            raise WireError(path, f"must have the shape {wanted}, has {list(value.shape)}")
        if finite and not np.isfinite(value).all():
            raise WireError(path, "holds values that are not finite")
        return value

    return reader


def items(reader: Reader, most: int, least: int = 0) -> Reader:
    """Accept a list of `least` to `most` values, each as `reader` has it; it becomes a tuple."""

    def read_all(value: Any, path: str) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)):
            raise WireError(path, f"must be a list, is {shown(value)}")
        if not least <= len(value) <= most:
            raise WireError(path, f"must have {least}..{most} entries, has {len(value)}")
        return tuple(reader(item, f"{path}[{i}]") for i, item in enumerate(value))

    return read_all


def table(reader: Reader, most: int) -> Reader:
    """Accept a mapping of at most `most` short texts to values."""
    key_reader = text(64)

    def read_all(value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise WireError(path, f"must be a mapping, is {shown(value)}")
        if len(value) > most:
            raise WireError(path, f"must have at most {most} entries, has {len(value)}")
        return {
            key_reader(key, f"{path}, a key"): reader(item, join(path, str(key)))
            for key, item in value.items()
        }

    return read_all


def part(kind: type[Any]) -> Reader:
    """Accept a message within a message."""
    return lambda value, path: read(kind, value, path)


def optional(reader: Reader) -> Reader:
    """Accept nothing, or what `reader` accepts."""
    return lambda value, path: None if value is None else reader(value, path)
