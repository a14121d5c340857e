# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Strict reading of YAML into frozen dataclasses: every fault names the path of its key."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class ProfileError(ValueError):
    """A value that is not accepted.

    Attributes:
        path: Where it stands, e.g. ``limits.linear.speed``.
        problem: What is wrong and what is expected.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path = path
        self.problem = problem

    def below(self, parent: str) -> ProfileError:
        """Return the same error seen from one level further up."""
        return ProfileError(join(parent, self.path), self.problem)


def join(parent: str, key: str) -> str:
    """Return the path of ``key`` below ``parent``."""
    if not parent or not key or key.startswith("["):
        return parent + key
    return f"{parent}.{key}"


def require(condition: bool, key: str, problem: str) -> None:
    """Raise ``ProfileError(key, problem)`` unless ``condition`` holds."""
    if not condition:
        raise ProfileError(key, problem)


def require_positive(owner: object, *keys: str) -> None:
    """Require that these attributes are > 0 where they are given."""
    for key in keys:
        value = getattr(owner, key)
        require(value is None or value > 0.0, key, f"must be > 0, is {value}")


def require_choice(owner: object, key: str, choices: tuple[str, ...]) -> None:
    """Require that an attribute is one of ``choices``."""
    value = getattr(owner, key)
    require(value in choices, key, f"'{value}' is not one of {', '.join(choices)}")


def build(cls: type[T], data: Any, path: str = "") -> T:
    """Build a dataclass from what YAML gave.

    Args:
        cls: A dataclass; its fields may be float, int, bool, str, fixed or variable tuples,
            mappings with str keys, other such dataclasses, or any of these or None.
        data: A mapping of its field names.
        path: Where ``data`` stands in the file.

    Raises:
        ProfileError: Unknown key, missing key, wrong type, or a value that ``cls`` refuses.
    """
    if not isinstance(data, Mapping):
        raise ProfileError(path, f"must be a mapping of keys, is {data!r}")
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    for key in data:
        if key not in fields:
            raise ProfileError(join(path, str(key)), f"unknown key; known: {', '.join(fields)}")
    for name, field in fields.items():
        optional = (
            field.default is not dataclasses.MISSING
            or field.default_factory is not dataclasses.MISSING
        )
        if name not in data and not optional:
            raise ProfileError(join(path, name), "is missing")
    values = {key: _convert(hints[key], value, join(path, key)) for key, value in data.items()}
    try:
        return cls(**values)
    except ProfileError as error:
        raise error.below(path) from None


def _convert(hint: Any, value: Any, path: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        inner = [kind for kind in typing.get_args(hint) if kind is not type(None)]
        return None if value is None else _convert(inner[0], value, path)
    if origin is tuple:
        return _convert_tuple(typing.get_args(hint), value, path)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise ProfileError(path, f"must be a mapping of keys, is {value!r}")
        kind = typing.get_args(hint)[1]
        return {str(key): _convert(kind, item, join(path, str(key))) for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return build(hint, value, path)  # type: ignore[type-var, arg-type]
    return _convert_scalar(hint, value, path)


def _convert_tuple(kinds: tuple[Any, ...], value: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ProfileError(path, f"must be a list, is {value!r}")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(value) != len(kinds):
        raise ProfileError(path, f"must have {len(kinds)} entries, has {len(value)}")
    return tuple(
        _convert(kind, item, f"{path}[{i}]")
        for i, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


def _convert_scalar(kind: Any, value: Any, path: str) -> Any:
    # YAML's true is an int to Python; a limit must not become 1.0 by accident.
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ProfileError(path, f"must be a finite number, is {value}")
        return float(value)
    if (
        kind is not float
        and isinstance(value, kind)
        and (kind is bool or not isinstance(value, bool))
    ):
        return value
    expected = {float: "a number", int: "a whole number", bool: "true or false", str: "text"}
    raise ProfileError(path, f"must be {expected[kind]}, is {value!r}")
