# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""ROS parameter files, read before a node starts: what is wrong in them is known without it.

rclpy skips sections whose node's name is mistyped, and launch goes on without a file that is
missing; either way a node would start with defaults.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from molmoact_ros.yaml_config import ProfileError, read_yaml

from .parameters import ParameterError, check_parameters

Spec = TypeVar("Spec")

_VALUES = "ros__parameters"


@dataclass(frozen=True)
class Section:
    """The parameters that a file gives to some nodes.

    Attributes:
        nodes: Full name of a node, or a pattern of them such as `/**/molmoact_policy`.
        values: By name.
    """

    nodes: str
    values: Mapping[str, Any]

    @property
    def node(self) -> str:
        """The last part of the name."""
        return self.nodes.rsplit("/", 1)[-1]

    def is_for(self, full_name: str) -> bool:
        """Whether a node gets these parameters."""
        escaped = re.escape(self.nodes).replace(r"/\*\*", r"(/[^/]+)*").replace(r"/\*", r"/[^/]+")
        return re.fullmatch(escaped, full_name) is not None


def read_parameter_file(file: str | Path, nodes: Sequence[str] | None = None) -> list[Section]:
    """Read a file.

    Args:
        file: YAML as ROS has it.
        nodes: The last part of the name of each node that it may have a section for; None: any.

    Raises:
        ParameterError: It cannot be read, holds something else than nodes and their parameters,
            or has a section for another node; the text names file and section.
    """
    try:
        content = read_yaml(file)
        sections = list(_sections(content, ""))
    except ProfileError as error:
        raise ParameterError(str(error)) from error
    except _NoParameters as error:
        raise ParameterError(f"{file}: {error}") from error
    for section in sections:
        if nodes is not None and section.node not in (*nodes, "*", "**"):
            raise ParameterError(
                f"{file}: section '{section.nodes}' is for none of the nodes {', '.join(nodes)}"
            )
    return sections


def parameters_for(sections: Sequence[Section], full_name: str) -> dict[str, Any]:
    """Return the parameters of a node; of a name that is given twice, the later one wins."""
    return {
        name: value
        for section in sections
        if section.is_for(full_name)
        for name, value in section.values.items()
    }


def read_parameters(file: str | Path, node: str, spec: type[Spec]) -> Spec:
    """Read the parameters that a node would get, with defaults for all others.

    Args:
        file: Parameter file.
        node: Name, with its namespace if it has one.
        spec: Dataclass of `molmoact_ros.ros.parameters.parameter` fields.

    Raises:
        ParameterError: The file is not accepted, has no section for the node, or a parameter is
            unknown, has the wrong type, or is out of range.
    """
    full_name = "/" + node.strip("/")
    sections = read_parameter_file(file)
    if not any(section.is_for(full_name) for section in sections):
        known = ", ".join(section.nodes for section in sections) or "none"
        raise ParameterError(f"{file} has no parameters for {full_name}; it has some for {known}")
    try:
        return check_parameters(spec, node, parameters_for(sections, full_name))
    except ParameterError as error:
        raise ParameterError(f"{file}: {error}") from None


class _NoParameters(ValueError):
    """Something is not as ROS has it; the text names the place and the problem."""


def _sections(content: Any, above: str) -> Iterator[Section]:
    if content is None and not above:
        return  # an empty file
    if not isinstance(content, Mapping):
        raise _NoParameters(f"'{above or content}' must hold nodes, and these '{_VALUES}'")
    for key, value in content.items():
        if key == _VALUES:
            if not isinstance(value, Mapping):
                raise _NoParameters(f"'{_VALUES}' of '{above}' must hold parameters by name")
            yield Section(above, dict(_flat(value, "")))
        else:
            yield from _sections(value, f"{above}/{key.strip('/')}")


def _flat(values: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
