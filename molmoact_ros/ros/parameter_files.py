# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a node would be started with by a ROS parameters file, found without starting it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from molmoact_ros.yaml_config import read_yaml

from .parameters import ParameterError, check_values

Spec = TypeVar("Spec")
_VALUES = "ros__parameters"


def read_parameters(path: str | Path, node: str, spec: type[Spec]) -> Spec:
    """Read the parameters that a node would get, with defaults for all others.

    Args:
        path: Of the file, with sections such as ``/**``, ``/**/NAME``, ``/NAMESPACE/NAME``.
        node: Name, with its namespace if it has one.
        spec: Dataclass of `molmoact_ros.ros.parameters.parameter` fields.

    Raises:
        ParameterError: The file has no section for the node, or a parameter is unknown, has the
            wrong type, or is out of range.
        ProfileError: It is not YAML, or a key is given twice.
    """
    full = "/" + node.strip("/")
    sections = dict(_sections(read_yaml(path), "", path))
    mine = [values for name, values in sections.items() if _pattern(name).fullmatch(full)]
    if not mine:
        raise ParameterError(
            f"{path} has no parameters for {full}; it has some for {', '.join(sections) or 'none'}"
        )
    given: dict[str, Any] = {}
    for values in mine:  # as ROS does: of two sections the later one wins
        given.update(_flat(values, ""))
    try:
        return check_values(spec, given, node)
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from None


def _sections(content: Any, name: str, path: str | Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield names of nodes, which may be nested by namespace, and their values."""
    if not isinstance(content, Mapping):
        raise ParameterError(f"{path}: {name or 'the file'} must be a mapping with {_VALUES}")
    for key, value in content.items():
        if key != _VALUES:
            yield from _sections(value, f"{name}/{key.strip('/')}", path)
        elif isinstance(value, Mapping):
            yield name, dict(value)
        else:
            raise ParameterError(f"{path}: {name}: {_VALUES} must be a mapping of parameters")


def _pattern(name: str) -> re.Pattern[str]:
    """Return what a section's name stands for: * is one part of a name, ** any number of parts."""
    parts = {"**": r"(/[^/]+)*", "*": "/[^/]+"}
    return re.compile(
        "".join(parts.get(part, f"/{re.escape(part)}") for part in name.split("/")[1:])
    )


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield names as ROS has them: nested keys are joined by points."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
