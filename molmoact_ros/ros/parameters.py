# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Parameters declared from a frozen dataclass, checked before the node does anything.

    @dataclass(frozen=True)
    class CameraParameters:
        rate: float = parameter(10.0, "pictures per second", unit="Hz", limits=(0.1, 100.0))

    values = declare_parameters(node, CameraParameters)

ROS cannot pass an empty list; a list of strings is emptied by `['']`.

Parameter files can be read before a node starts, so that what is wrong in them is known without it:
rclpy skips sections whose node's name is mistyped, and launch goes on without a file that is
missing; either way a node would start with defaults.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import re
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from molmoact_ros.small_files import shown
from molmoact_ros.yaml_config import ProfileError, read_yaml

Spec = TypeVar("Spec")

_VALUES = "ros__parameters"  # key of a parameter file
# Prefix of the parameters that rclpy itself declares for topics, on demand.
_RCLPY_PREFIX = "qos_overrides."
# Those that every node has.
_ROS_NAMES = ("use_sim_time", "start_type_description_service")
_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number with a decimal point",
    str: "text; quote it",
    tuple: "a list of texts",
}


class ParameterError(ValueError):
    """A parameter is unknown or has a wrong value; the text names it."""


def _wrong(name: str, problem: object) -> ParameterError:
    return ParameterError(f"parameter '{name}': {problem}")


def parameter(
    default: Any,
    description: str,
    *,
    unit: str = "",
    limits: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (),
    max_length: int = 0,
    read_only: bool = True,
) -> Any:
    """Return a dataclass field that describes one ROS parameter.

    Args:
        default: bool, int, float, str or tuple of str; its type is the parameter's type. None: a
            bool that need not be set.
        description: What it does, for a person.
        unit: SI unit of a number.
        limits: Smallest and largest allowed number.
        choices: The allowed strings; empty: any.
        max_length: Characters that a string may have; 0: any number.
        read_only: Whether it is fixed when the node starts.
    """
    metadata = {
        "description": f"{description} [{unit}]" if unit else description,
        "range": limits,
        "choices": choices,
        "max_length": max_length,
        "read_only": read_only,
    }
    return dataclasses.field(default=default, metadata=metadata)


def declare_parameters(node: Node, spec: type[Spec]) -> Spec:
    """Declare every field of `spec` and return the values that the node was started with.

    Raises:
        ParameterError: A given parameter is unknown, has the wrong type, or is out of range.
    """
    fields = dataclasses.fields(spec)  # type: ignore[arg-type]
    _refuse_unknown(node, {field.name for field in fields})
    values = {}
    for field in fields:
        default: Any = field.default
        if isinstance(default, tuple):
            default = list(default) or [""]
        try:
            value = node.declare_parameter(field.name, default, _descriptor(field)).value
        except ParameterException as error:
            raise _wrong(field.name, error) from error
        values[field.name] = _checked(field, value)
    return spec(**values)


def check_parameters(spec: type[Spec], node: str, given: Mapping[str, Any]) -> Spec:
    """Return the values that a node would start with, without the node.

    Args:
        spec: The node's parameters.
        node: Its name, for messages.
        given: Values by name; those of ROS itself, such as `use_sim_time`, are not checked.

    Raises:
        ParameterError: One is unknown, has the wrong type, or is out of range.
    """
    fields = {field.name: field for field in dataclasses.fields(spec)}  # type: ignore[arg-type]
    for name in given:
        if name not in fields and name not in _ROS_NAMES and not name.startswith(_RCLPY_PREFIX):
            raise _unknown(name, node, set(fields))
    hints = typing.get_type_hints(spec)
    own = [name for name in given if name in fields]
    return spec(**{name: _given(fields[name], hints[name], given[name]) for name in own})


def watch_parameters(node: Node, values: Spec, accept: Callable[[Spec], str | None]) -> None:
    """Follow changes at run time.

    Args:
        node: The node that declared `values`.
        values: The present values.
        accept: Called with all values after a change; takes them over and returns None, or
            returns the reason why it refuses them.
    """
    fields = {field.name: field for field in dataclasses.fields(values)}  # type: ignore[arg-type]
    current = values

    def on_change(changes: list[Parameter]) -> SetParametersResult:
        nonlocal current
        known = {change.name: change.value for change in changes if change.name in fields}
        try:
            checked = {name: _checked(fields[name], value) for name, value in known.items()}
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if not checked:
            return SetParametersResult(successful=True)
        changed = dataclasses.replace(current, **checked)  # type: ignore[type-var]
        reason = accept(changed)
        if reason is None:
            current = changed
        return SetParametersResult(successful=reason is None, reason=reason or "")

    node.add_on_set_parameters_callback(on_change)


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
        spec: Dataclass of `parameter` fields.

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


def _refuse_unknown(node: Node, known: set[str]) -> None:
    # rclpy ignores parameters that nobody declares, so a typing error would go unnoticed. It has
    # no public access to what was given on the command line and in files.
    for name in node._parameter_overrides:
        if name not in known and not node.has_parameter(name):
            if not name.startswith(_RCLPY_PREFIX):
                raise _unknown(name, node.get_name(), known)


def _unknown(name: str, node: str, known: set[str]) -> ParameterError:
    return ParameterError(
        f"parameter '{name}' is unknown to {node}; it has: {', '.join(sorted(known))}"
    )


def _given(field: dataclasses.Field, hint: Any, value: Any) -> Any:
    """Return a value of a file as the dataclass holds it, or raise what ROS would not accept."""
    is_list = typing.get_origin(hint) is tuple
    kind = tuple if is_list else (*typing.get_args(hint), hint)[0]  # of "bool | None" the first
    if kind is float and isinstance(value, str):
        # ROS also takes numbers without a point, such as 1e-3, which YAML does not.
        with contextlib.suppress(ValueError):
            value = float(value)
    if is_list:
        fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
    else:
        fits = type(value) is kind
    if not fits:
        raise _wrong(field.name, f"{shown(value)} is not {_KINDS[kind]}")
    limits = field.metadata["range"]
    if limits and not limits[0] <= value <= limits[1]:
        raise _wrong(field.name, f"{value} is not within {limits[0]} .. {limits[1]}")
    return _checked(field, value)


def _descriptor(field: dataclasses.Field) -> ParameterDescriptor:
    choices, limits = field.metadata["choices"], field.metadata["range"]
    longest = field.metadata["max_length"]
    descriptor = ParameterDescriptor(
        description=field.metadata["description"],
        additional_constraints=(
            f"one of: {', '.join(map(repr, choices))}"
            if choices
            else f"at most {longest} characters"
            if longest
            else ""
        ),
        read_only=field.metadata["read_only"],
        dynamic_typing=field.default is None,  # ROS has no other type for "bool or nothing"
    )
    if limits and isinstance(field.default, float):
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(limits[0]), to_value=float(limits[1]), step=0.0)
        ]
    elif limits:
        descriptor.integer_range = [
            IntegerRange(from_value=int(limits[0]), to_value=int(limits[1]), step=1)
        ]
    return descriptor


def _checked(field: dataclasses.Field, value: Any) -> Any:
    """Return the value as the dataclass holds it, or raise what ROS's own checks do not see."""
    if isinstance(value, float) and not math.isfinite(value):
        raise _wrong(field.name, f"{value} is not a finite number")
    if field.default is None and not (value is None or isinstance(value, bool)):
        raise _wrong(field.name, f"'{value}' is neither true nor false")
    choices = field.metadata["choices"]
    if choices and value not in choices:
        known = ", ".join(filter(None, choices))
        raise _wrong(field.name, f"'{value}' is not one of {known}")
    longest = field.metadata["max_length"]
    if longest and len(value) > longest:
        allowed = f"at most {longest} are allowed"
        raise _wrong(field.name, f"it has {len(value)} characters, {allowed}")
    if isinstance(field.default, tuple):
        return tuple(item for item in value if item)
    return value


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
