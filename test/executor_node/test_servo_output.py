# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""MoveIt Servo behind an output. Servo itself is a stand-in, its messages are real."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import rclpy
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import GetParameters
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import Int8

from molmoact_ros.control.output_settings import ServoOutput
from molmoact_ros.executor_node import servo
from molmoact_ros.executor_node.servo import Servo, scale_warning

STATUS = ServoOutput(servo_status_topic="servo_node/status")
SWITCH = ServoOutput(servo_command_type_service="servo_node/switch_command_type")
SPEEDS = {"linear": 0.25, "rotational": 0.8}
PATIENCE = 60.0  # s


class Graph:
    """A node with an output and a stand-in for Servo's node, spun together."""

    def __init__(self, domain: int) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.node = self.add("molmoact_executor")

    def add(self, name: str, **parameters: Any) -> Any:
        """Add a node."""
        node = rclpy.create_node(name, context=self.context)
        for parameter, value in parameters.items():
            node.declare_parameter(f"moveit_servo.{parameter.replace('__', '.')}", value)
        self.executor.add_node(node)
        return node

    def add_parameters(self, values: list[ParameterValue]) -> list[list[str]]:
        """Add Servo's node, with these answers; return a list that grows with the questions."""
        node = rclpy.create_node("servo_node", context=self.context, start_parameter_services=False)
        asked: list[list[str]] = []

        def answer(request: Any, response: Any) -> Any:
            asked.append(list(request.names))
            response.values = values
            return response

        node.create_service(GetParameters, "~/get_parameters", answer)
        self.executor.add_node(node)
        return asked

    def turns(self, count: int) -> None:
        """Let the output's timer run that many times."""
        done: list[int] = []
        timer = self.node.create_timer(servo.RETRY, lambda: done.append(1))
        self.until(lambda: len(done) >= count, "the timer")
        self.node.destroy_timer(timer)

    def remove(self, node: Any) -> None:
        """End a node."""
        self.executor.remove_node(node)
        node.destroy_node()

    def until(self, value: Callable[[], Any], what: str, tick: Callable[[], Any] = bool) -> Any:
        """Spin until `value()` is true and return it."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if found := value():
                return found
            tick()
            self.executor.spin_once(timeout_sec=0.02)
        raise AssertionError(f"waited {PATIENCE} s for {what}")


def shows(output: Servo, words: str) -> bool:
    """Whether the diagnostics have Servo's status in these words."""
    return output.notes().get("MoveIt Servo") == words


@pytest.fixture
def graph(new_domain: Any) -> Iterator[Graph]:
    made = Graph(new_domain())
    yield made
    made.executor.shutdown()
    rclpy.shutdown(context=made.context)


@pytest.fixture
def humble(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servo of Humble, whose moveit_msgs has no ServoStatus."""
    monkeypatch.setitem(sys.modules, "moveit_msgs.msg", None)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servo, "RETRY", 0.05)


@pytest.mark.parametrize("code", sorted(servo.INT8_WORDS))
def test_status_of_humble_in_its_own_words(graph: Graph, humble: None, code: int) -> None:
    output = Servo(graph.node, STATUS, "TWIST", SPEEDS)
    assert output.fault() is None
    assert output.notes() == {"MoveIt Servo": "no status on /servo_node/status"}
    publisher = graph.node.create_publisher(Int8, "servo_node/status", 1)
    words = servo.INT8_WORDS[code]
    tick = lambda: publisher.publish(Int8(data=code))  # noqa: E731
    graph.until(lambda: output.notes() == {"MoveIt Servo": words}, "the status", tick)
    assert output.fault() == (f"MoveIt Servo: {words}" if code in servo.INT8_HALTS else None)
    assert output.problem() is None, "commands are what changes the status"


def test_unknown_and_old_status_are_no_halts(graph: Graph, humble: None) -> None:
    output = Servo(graph.node, STATUS, "TWIST", SPEEDS)
    publisher = graph.node.create_publisher(Int8, "servo_node/status", 1)

    def until_status(words: str, code: int) -> None:
        tick = lambda: publisher.publish(Int8(data=code))  # noqa: E731
        graph.until(lambda: output.notes() == {"MoveIt Servo": words}, words, tick)

    until_status("unknown status 99", 99)
    assert output.fault() is None
    until_status("Collision detected, emergency stop", 4)
    assert output.fault() == "MoveIt Servo: Collision detected, emergency stop"
    graph.until(lambda: output.fault() is None, "the end of the status's age")
    assert output.notes() == {"MoveIt Servo": "no status on /servo_node/status"}


@pytest.mark.parametrize(
    ("scales", "words"),
    [
        ({"linear": 0.4, "rotational": 0.8}, None),
        ({"linear": 0.0, "rotational": 0.0}, None),  # not bounded
        ({"linear": 0.25, "rotational": 0.3}, "scale.rotational is 0.3 rad/s, limits.angular"),
        ({"linear": 0.1, "rotational": 0.8}, "scale.linear is 0.1 m/s, limits.linear.speed of the"),
    ],
)
def test_scales_below_the_profiles_limits(scales: dict[str, float], words: str | None) -> None:
    warning = scale_warning(scales, SPEEDS)
    assert warning is None if words is None else words in str(warning)


def test_scale_of_what_the_profile_does_not_move_is_not_compared() -> None:
    assert scale_warning({"linear": 0.4, "rotational": 0.1}, {"linear": 0.25}) is None


@pytest.mark.parametrize("kind", ["JOINT_JOG", "TWIST", "POSE"])
def test_unitless_servo_is_refused(graph: Graph, humble: None, quick: None, kind: str) -> None:
    output = Servo(graph.node, STATUS, kind, SPEEDS)
    values = [ParameterValue(type=4, string_value="unitless"), *[ParameterValue(type=3)] * 2]
    asked = graph.add_parameters(values)
    graph.until(lambda: asked, "the question for the parameters")
    if kind == "POSE":  # Servo takes poses in m, whatever that is set to
        graph.turns(20)
        assert output.problem() is None and output.fault() is None
    else:
        graph.until(output.problem, "the answer")
        assert str(output.problem()).endswith("set moveit_servo.command_in_type to speed_units")
        assert output.fault() == output.problem()
    assert len(asked) == 1


def test_node_without_these_parameters_is_asked_once(
    graph: Graph, humble: None, quick: None
) -> None:
    output = Servo(graph.node, STATUS, "TWIST", SPEEDS)
    asked = graph.add_parameters([])
    graph.until(lambda: asked, "the question for the parameters")
    graph.turns(20)
    assert output.problem() is None and output.fault() is None
    assert asked == [list(servo.PARAMETERS)]


# With the messages of MoveIt.


@pytest.fixture
def moveit() -> Any:
    pytest.importorskip("moveit_msgs.srv", reason="moveit_msgs is not on PyPI")
    from moveit_msgs.srv import ServoCommandType

    return ServoCommandType


@pytest.mark.parametrize(("kind", "number"), [("JOINT_JOG", 0), ("TWIST", 1), ("POSE", 2)])
def test_servo_is_switched_again_after_it_was_started_again(
    graph: Graph, moveit: Any, quick: None, kind: str, number: int
) -> None:
    output = Servo(graph.node, SWITCH, kind, SPEEDS)
    assert output.problem() == "MoveIt Servo has not answered on servo_node/switch_command_type yet"
    for _ in range(2):
        asked: list[int] = []

        def answer(request: Any, response: Any, asked: list[int] = asked) -> Any:
            asked.append(request.command_type)
            response.success = len(asked) > 1  # the first time it refuses
            return response

        stand_in = graph.add("servo_node")
        stand_in.create_service(moveit, "~/switch_command_type", answer)
        graph.until(lambda: output.problem() is None, "the switch")
        assert set(asked) == {number} and len(asked) >= 2
        graph.remove(stand_in)
        graph.until(output.problem, "the loss of Servo")


def test_status_of_iron_and_newer_in_its_own_words(graph: Graph, moveit: Any) -> None:
    from moveit_msgs.msg import ServoStatus

    output = Servo(graph.node, SWITCH, "TWIST", SPEEDS)
    publisher = graph.node.create_publisher(ServoStatus, "servo_node/status", 1)
    for name in ("HALT_FOR_SINGULARITY", "DECELERATE_FOR_COLLISION", "JOINT_BOUND"):
        message = ServoStatus(code=getattr(ServoStatus, name), message=name.lower() * 100)
        words = message.message[:200]
        graph.until(partial(shows, output, words), name, partial(publisher.publish, message))
        halts = name in servo.HALTS
        assert output.fault() == (f"MoveIt Servo: {words}" if halts else None)


def test_warning_at_start_where_scales_are_low(graph: Graph, moveit: Any, quick: None) -> None:
    """UR's scale.rotational under the Franka profile's limits."""
    output = Servo(graph.node, SWITCH, "TWIST", SPEEDS)
    graph.add("servo_node", command_in_type="speed_units", scale__linear=0.6, scale__rotational=0.3)
    warning = graph.until(lambda: output.notes().get("MoveIt Servo's scales"), "the warning")
    assert "scale.rotational is 0.3 rad/s" in warning and "profile is 0.8" in warning
    assert output.fault() is None
