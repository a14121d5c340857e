# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Parameters files read without a node: the same values as a real node gets, the same refusals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.node import Node

from molmoact_ros.ros.parameters import (
    ParameterError,
    declare_parameters,
    parameter,
    read_parameters,
)

NAME, NAMESPACE = "some_node", "/left/arm"
VALUES = '{rate: 2.5, count: 3, name: a, active: true, names: [x, "y"]}'


@dataclass(frozen=True)
class Spec:
    """Parameters of every kind."""

    rate: float = parameter(1.0, "Rate.", unit="Hz", limits=(0.1, 10.0))
    count: int = parameter(1, "Count.", limits=(0, 5))
    name: str = parameter("", "Name.", choices=("", "a", "b"))
    active: bool = parameter(False, "Active.")
    names: tuple[str, ...] = parameter((), "Names.")


@pytest.fixture(scope="module")
def context(ros_environment: Any) -> Iterator[Any]:
    made = rclpy.Context()
    rclpy.init(context=made)
    yield made
    made.try_shutdown()


def by_node(context: Any, path: Path) -> Spec:
    """Return what a real node is started with."""
    node = Node(
        NAME,
        namespace=NAMESPACE,
        context=context,
        cli_args=["--ros-args", "--params-file", str(path)],
        use_global_arguments=False,
        enable_rosout=False,
        start_parameter_services=False,
    )
    try:
        return declare_parameters(node, Spec)
    finally:
        node.destroy_node()


ACCEPTED = {
    "any node": "/**:\n  ros__parameters: VALUES",
    "any namespace": "/**/some_node:\n  ros__parameters: VALUES",
    "one namespace": "/left/*/some_node:\n  ros__parameters: VALUES",
    "full name": "/left/arm/some_node:\n  ros__parameters: VALUES",
    "nested namespaces": "left:\n  arm:\n    some_node:\n      ros__parameters: VALUES",
    "later section wins": (
        "/left/arm/some_node:\n  ros__parameters: {count: 1}\n"
        "/**:\n  ros__parameters: {count: 2, rate: 3.0}"
    ),
    "others beside it": (
        "/**/other_node:\n  ros__parameters: {speed: 1.0}\n/**:\n  ros__parameters: VALUES"
    ),
    "what every node has": (
        "/**:\n  ros__parameters:\n    use_sim_time: true\n"
        "    qos_overrides: {/a: {subscription: {depth: 3}}}\n    count: 2"
    ),
    "numbers": "/**:\n  ros__parameters: {rate: 1e-1, count: 0}",
    "empty list": "/**:\n  ros__parameters: {names: ['']}",
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_the_same_values_as_a_real_node_gets(case: str, context: Any, tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(ACCEPTED[case].replace("VALUES", VALUES))
    read = read_parameters(path, f"{NAMESPACE}/{NAME}", Spec)
    assert read == by_node(context, path) != Spec() or case == "empty list"


REFUSED = {
    "unknown": ("{cuont: 1}", "parameter 'cuont' is unknown to .*; it has: active, count, name"),
    "integer for a float": ("{rate: 1}", "parameter 'rate'"),
    "text": ("{count: three}", "parameter 'count'"),
    "number for text": ("{name: 1}", "parameter 'name'"),
    "too large": ("{rate: 11.0}", "parameter 'rate'"),
    "too many": ("{count: 6}", "parameter 'count'"),
    "none of the choices": ("{name: c}", "parameter 'name': 'c' is not one of a, b"),
    "not finite": ("{rate: .nan}", "parameter 'rate'"),
    "text for a list": ("{names: a}", "parameter 'names'"),
    "list of numbers": ("{names: [1, 2]}", "parameter 'names'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_real_node_refuses(case: str, context: Any, tmp_path: Path) -> None:
    values, expected = REFUSED[case]
    path = tmp_path / "some.yaml"
    path.write_text(f"/**:\n  ros__parameters: {values}")
    with pytest.raises(ParameterError, match=expected):
        by_node(context, path)
    with pytest.raises(ParameterError, match=f"some.yaml: {expected}"):
        read_parameters(path, f"{NAMESPACE}/{NAME}", Spec)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no parameters for /some_node; it has some for none"),
        ("/**: [a]", "must hold nodes, and these .ros__parameters."),
        ("/**:\n  ros__parameters: 1", "must hold parameters by name"),
        ("/other:\n  ros__parameters: {}", "no parameters for /some_node; it has some for /other"),
        ("/**:\n  ros__parameters: {count: 1, count: 2}", "line 2: .*count: is given twice"),
    ],
)
def test_files_that_are_none(text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(text)
    with pytest.raises(ParameterError, match=expected):
        read_parameters(path, NAME, Spec)
