# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Parameters: declared from a dataclass, refused when unknown or wrong, checked at run time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter

from molmoact_ros.ros.parameters import (
    ParameterError,
    declare_parameters,
    parameter,
    watch_parameters,
)


@dataclass(frozen=True)
class Example:
    """Parameters of every kind."""

    rate: float = parameter(10.0, "how often", unit="Hz", limits=(0.1, 100.0))
    count: int = parameter(3, "how many", limits=(0, 9), read_only=False)
    mode: str = parameter("raw", "how", choices=("raw", "compressed"), read_only=False)
    names: tuple[str, ...] = parameter(("a", "b"), "which")
    others: tuple[str, ...] = parameter((), "which else")
    on: bool = parameter(False, "whether")
    perhaps: bool | None = parameter(None, "whether, if it is set")


@pytest.fixture(scope="module")
def context(ros_environment: dict[str, str]) -> Iterator[Any]:
    made = rclpy.Context()
    rclpy.init(context=made)
    yield made
    made.try_shutdown()


@pytest.fixture
def create(context: Any) -> Iterator[Callable[..., Node]]:
    nodes = []

    def make(**overrides: Any) -> Node:
        given = [Parameter(name, value=value) for name, value in overrides.items()]
        nodes.append(Node("example", context=context, parameter_overrides=given))
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()


def test_defaults_and_given_values(create: Callable[..., Node]) -> None:
    assert declare_parameters(create(), Example) == Example()
    given = create(rate=2.5, names=["c"], others=["d", "e"], on=True, perhaps=False)
    expected = Example(rate=2.5, names=("c",), others=("d", "e"), on=True, perhaps=False)
    assert declare_parameters(given, Example) == expected


def test_an_empty_string_empties_a_list(create: Callable[..., Node]) -> None:
    assert declare_parameters(create(names=[""]), Example).names == ()


def test_descriptors_hold_description_unit_and_range(create: Callable[..., Node]) -> None:
    node = create()
    declare_parameters(node, Example)
    rate = node.describe_parameter("rate")
    assert (rate.description, rate.read_only) == ("how often [Hz]", True)
    assert rate.floating_point_range[0].to_value == 100.0
    assert node.describe_parameter("count").integer_range[0].to_value == 9
    assert "'compressed'" in node.describe_parameter("mode").additional_constraints


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"raet": 1.0}, "parameter 'raet' is unknown to example; it has: count, mode"),
        ({"rate": 0.0}, "parameter 'rate'"),
        ({"rate": float("nan")}, "parameter 'rate'.*nan"),
        ({"rate": 1}, "parameter 'rate'.*DOUBLE"),
        ({"count": 10}, "parameter 'count'"),
        ({"mode": "jpeg"}, "parameter 'mode': 'jpeg' is not one of raw, compressed"),
        ({"names": "a"}, "parameter 'names'"),
        ({"perhaps": 1}, "parameter 'perhaps': '1' is neither true nor false"),
        ({"perhaps": "on"}, "parameter 'perhaps': 'on' is neither true nor false"),
    ],
)
def test_wrong_values_are_refused_by_name(
    create: Callable[..., Node], overrides: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ParameterError, match=expected):
        declare_parameters(create(**overrides), Example)


def test_changes_at_run_time(create: Callable[..., Node]) -> None:
    node = create()
    accepted: list[Example] = []

    def accept(values: Example) -> str | None:
        if values.count == 7:
            return "seven is refused"
        accepted.append(values)
        return None

    watch_parameters(node, declare_parameters(node, Example), accept)

    def change(**values: Any) -> Any:
        changes = [Parameter(name, value=value) for name, value in values.items()]
        return node.set_parameters_atomically(changes)

    assert change(count=5).successful
    assert change(mode="compressed").successful
    assert accepted[-1] == Example(count=5, mode="compressed")
    assert change(count=7).reason == "seven is refused"
    assert "not one of" in change(mode="jpeg").reason
    assert not change(count=10).successful
    assert not change(rate=5.0).successful  # read-only
    assert change(use_sim_time=False).successful  # not ours
    assert accepted[-1] == Example(count=5, mode="compressed")
