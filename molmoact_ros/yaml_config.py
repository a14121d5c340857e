# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Strict YAML: files as plain values, and plain values as frozen dataclasses.

Every fault names its place: `read_yaml` the file, line and key, `build` the path of the key.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from molmoact_ros.small_files import read_small_file, shown

MAX_YAML_BYTES = 256_000
_MAX_DEPTH = 32  # of nested mappings and lists
_MAX_NUMBER = 64  # characters
_MAX_KEY = 200  # characters, also of the parser's own words in a message
_TAG = "tag:yaml.org,2002:"
_SCALARS = ("str", "int", "float", "bool", "null")

T = TypeVar("T")


class ProfileError(ValueError):
    """A value that is not accepted.

    Attributes:
        path: Where it stands, e.g. `limits.linear.speed`.
        problem: What is wrong and what is expected.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path = path
        self.problem = problem

    def below(self, parent: str) -> ProfileError:
        """Return the same error seen from one level further up."""
        return ProfileError(join(parent, self.path), self.problem)


class _Refused(Exception):
    """A place in a YAML text that is not accepted."""

    def __init__(self, node: Any, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.line = node.start_mark.line + 1


def join(parent: str, key: str) -> str:
    """Return the path of `key` below `parent`."""
    if not parent or not key or key.startswith("["):
        return parent + key
    return f"{parent}.{key}"


def require(condition: bool, key: str, problem: str) -> None:
    """Raise `ProfileError(key, problem)` unless `condition` holds."""
    if not condition:
        raise ProfileError(key, problem)


def require_positive(owner: object, *keys: str) -> None:
    """Require that these attributes are > 0 where they are given."""
    for key in keys:
        value = getattr(owner, key)
        require(value is None or value > 0.0, key, f"must be > 0, is {value}")


def require_range(key: str, value: float, low: float, high: float, unit: str = "") -> None:
    """Raise a `ProfileError` that names both bounds unless `low <= value <= high`."""
    words = f"must be {low:g}..{high:g} {unit}".rstrip()
    given = f"{value:g}" if isinstance(value, float) else str(value)[:20]
    require(low <= value <= high, key, f"{words}, is {given}")


@contextmanager
def below(parent: str) -> Iterator[None]:
    """Have the errors of a part of a file name that part, too."""
    try:
        yield
    except ProfileError as error:
        raise error.below(parent) from None


def require_choice(owner: object, key: str, choices: tuple[str, ...]) -> None:
    """Require that an attribute is one of `choices`."""
    value = getattr(owner, key)
    require(value in choices, key, f"{shown(value)} is not one of {', '.join(choices)}")


def read_yaml(path: str | Path) -> Any:
    """Read one YAML document of dicts with keys of text, lists, text, numbers, booleans and None.

    Refused are: more than `MAX_YAML_BYTES`, keys given twice, keys that are not text, anchors'
    aliases, dates and other types, numbers of more than 64 characters, nesting deeper than 32.

    Raises:
        ProfileError: The file cannot be read or is not accepted; its text is
            `FILE, line N: KEY: what is wrong`.
    """
    try:
        text = read_small_file(path, MAX_YAML_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProfileError(str(path), f"is not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise ProfileError(str(path), f"cannot be read: {error.strerror}") from None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        return None if node is None else loader.value(node)
    except _Refused as error:
        raise ProfileError(f"{path}, line {error.line}", str(error)) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f", line {mark.line + 1}"
        words = " ".join(filter(None, (error.context, error.problem)))
        raise ProfileError(f"{path}{line}", f"is not YAML: {words[:_MAX_KEY]}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # a character out of range
        words = " ".join(str(error).split())
        raise ProfileError(str(path), f"is not YAML: {words[:_MAX_KEY]}") from None


def build(cls: type[T], data: Any, path: str = "") -> T:
    """Build a dataclass from what YAML gave.

    Args:
        cls: A dataclass; its fields may be float, int, bool, str, fixed or variable tuples,
            mappings with str keys, other such dataclasses, or any of these or None.
        data: A mapping of its field names.
        path: Where `data` stands in the file.

    Raises:
        ProfileError: Unknown key, missing key, wrong type, or a value that `cls` refuses.
    """
    if not isinstance(data, Mapping):
        raise ProfileError(path, f"must be a mapping of keys, is {shown(data)}")
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
    with below(path):
        return cls(**values)


def _convert(hint: Any, value: Any, path: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        inner = [kind for kind in typing.get_args(hint) if kind is not type(None)]
        return None if value is None else _convert(inner[0], value, path)
    if origin is tuple:
        return _convert_tuple(typing.get_args(hint), value, path)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise ProfileError(path, f"must be a mapping of keys, is {shown(value)}")
        kind = typing.get_args(hint)[1]
        return {str(key): _convert(kind, item, join(path, str(key))) for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return build(hint, value, path)  # type: ignore[type-var, arg-type]
    return _convert_scalar(hint, value, path)


def _convert_tuple(kinds: tuple[Any, ...], value: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ProfileError(path, f"must be a list, is {shown(value)}")
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
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise ProfileError(path, f"must be a finite number, is {shown(value)}")
        return number
    if (
        kind is not float
        and isinstance(value, kind)
        and (kind is bool or not isinstance(value, bool))
    ):
        return value
    expected = {float: "a number", int: "a whole number", bool: "true or false", str: "text"}
    raise ProfileError(path, f"must be {expected[kind]}, is {shown(value)}")


class _Loader(yaml.SafeLoader):
    """SafeLoader without what makes a small file large or means other than it seems to."""

    # Dates stay text and "<<" an ordinary key.
    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag[len(_TAG) :] in _SCALARS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        """Compose a node; aliases, which can grow without bounds, and deep nesting are refused."""
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise _Refused(event, "", "aliases are not accepted: write the value out")
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _Refused(event, "", f"is nested more than {_MAX_DEPTH} levels deep")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def value(self, node: Node, path: str = "") -> Any:
        """Return what a node holds: a dict with keys of text, a list, or a scalar."""
        kind = node.tag.removeprefix(_TAG)
        if isinstance(node, MappingNode) and kind == "map":
            return self._mapping(node, path)
        if isinstance(node, SequenceNode) and kind == "seq":
            return [self.value(item, f"{path}[{i}]") for i, item in enumerate(node.value)]
        if not isinstance(node, ScalarNode) or kind not in _SCALARS:
            raise _Refused(node, path, f"the type {shown(node.tag)} is not accepted")
        if kind in ("int", "float"):
            if len(node.value) > _MAX_NUMBER:
                raise _Refused(node, path, f"is a number of {len(node.value)} characters")
            if ":" in node.value:  # YAML takes 1:30 for 90
                raise _Refused(node, path, f"quote {node.value}, or write a plain number")
        try:
            return self.construct_object(node)
        except (ValueError, KeyError, IndexError, OverflowError):  # the tag asks for another value
            raise _Refused(node, path, f"{shown(node.value)} is no {kind}") from None

    def _mapping(self, node: MappingNode, path: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = self.value(key_node, path)
            if not isinstance(key, str) or len(key) > _MAX_KEY:
                problem = f"the key {shown(key)} is not a short text; quote it if it is meant so"
                raise _Refused(key_node, path, problem)
            place = join(path, key)
            if key in lines:
                first = f"is given twice, first in line {lines[key]}: remove one of them"
                raise _Refused(key_node, place, first)
            lines[key] = key_node.start_mark.line + 1
            values[key] = self.value(value_node, place)
        return values


# A number to everybody but YAML 1.1, which asks for a point: 1e-3.
_EXPONENT = re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$")
_Loader.add_implicit_resolver(f"{_TAG}float", _EXPONENT, list("-+0123456789"))
