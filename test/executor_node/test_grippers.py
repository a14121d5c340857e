# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Commands for the gripper, on a topic and as goals of an action."""

from __future__ import annotations

import itertools
import sys
import time
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rclpy
from output_messages import ARM, PATIENCE, received, until
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from molmoact_ros.control import Command
from molmoact_ros.control.output_settings import GripperOutput
from molmoact_ros.executor_node.outputs import create_gripper
from molmoact_ros.ros.optional import MissingPackage


def gripper(value: float | None, final: bool = False) -> Command:
    return Command(1.0, np.zeros(6), ARM.position, gripper=value, final=final)


def test_forward_gripper_in_the_drivers_unit(node: Any) -> None:
    output = create_gripper(node, GripperOutput(open=0.04, closed=0.0))
    message = received(
        node, Float64MultiArray, "/outputs/gripper", lambda: output.publish(gripper(0.25))
    )
    assert list(message.data) == pytest.approx([0.03])


def test_trajectory_gripper_publishes_on_change_only(node: Any) -> None:
    output = create_gripper(node, GripperOutput(type="joint_trajectory", joint="finger"))
    messages: list[JointTrajectory] = []
    node.create_subscription(JointTrajectory, "/outputs/gripper", messages.append, 10)
    ends = itertools.cycle((0.0, 1.0))
    until(node, lambda: messages, "a message", lambda: output.publish(gripper(next(ends))))

    def until_at(value: float) -> None:
        until(node, lambda: messages[-1].points[0].positions[0] == value, str(value))

    output.publish(gripper(0.5))  # all before it have been received, too
    until_at(0.5)
    messages.clear()
    for value, is_due in (
        (None, False), (0.0, True), (0.0, False), (0.02, False), (0.06, True), (0.08, False),
        (0.99, True), (1.0, True), (1.0, False),
    ):  # fmt: skip
        output.publish(gripper(value))
        if is_due and value is not None:
            until(node, lambda: messages, "a message")
            until_at(value)
    output.publish(gripper(0.5, final=True))
    output.publish(gripper(0.7))
    until_at(0.7)
    assert [m.points[0].positions[0] for m in messages] == [0.0, 0.06, 0.99, 1.0, 0.7]
    assert messages[0].joint_names == ["finger"]


def test_trajectory_gripper_is_commanded_again_after_motion_was_off(node: Any) -> None:
    output = create_gripper(node, GripperOutput(type="joint_trajectory", joint="finger"))
    messages: list[JointTrajectory] = []
    node.create_subscription(JointTrajectory, "/outputs/gripper", messages.append, 10)
    until(node, lambda: messages, "a message", lambda: output.publish(gripper(1.0)))
    messages.clear()
    output.publish(gripper(1.0, final=True))
    output.publish(gripper(None))
    output.publish(gripper(1.0))  # opened by hand meanwhile
    until(node, lambda: messages, "the same value again")


def test_trajectory_gripper_waits_for_its_controller(node: Any) -> None:
    output = create_gripper(node, GripperOutput(type="joint_trajectory", joint="finger"))
    output.publish(gripper(1.0))
    messages: list[JointTrajectory] = []
    node.create_subscription(JointTrajectory, "/outputs/gripper", messages.append, 10)
    until(node, lambda: messages, "the value", lambda: output.publish(gripper(1.0)))


def test_missing_gripper_action_names_the_apt_package(node: Any, without_moveit: None) -> None:
    with pytest.raises(MissingPackage, match="apt install ros-.ROS_DISTRO-control-msgs"):
        create_gripper(node, GripperOutput(type="gripper_command"))


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Install a module for a message package that is not here."""

    def stand_in(module: str, **contents: Any) -> None:
        package = ModuleType(module.partition(".")[0])
        monkeypatch.setitem(sys.modules, package.__name__, package)
        monkeypatch.setitem(sys.modules, module, SimpleNamespace(**contents))

    return stand_in


class FakeActions:
    """An action client whose server may be missing."""

    def __init__(self, ready: bool) -> None:
        self.ready = ready
        self.goals: list[Any] = []

    def server_is_ready(self) -> bool:
        """As rclpy's."""
        return self.ready

    def send_goal_async(self, goal: Any) -> None:
        """As rclpy's."""
        self.goals.append(goal)


@pytest.mark.parametrize(
    ("kind", "name", "position"),
    [
        ("gripper_command", "GripperCommand", 0.0),
        ("parallel_gripper_command", "ParallelGripperCommand", [0.0]),
    ],
)
def test_gripper_action_waits_for_its_server(
    node: Any, stand_in: Any, monkeypatch: pytest.MonkeyPatch, kind: str, name: str, position: Any
) -> None:
    goal = type("Goal", (), {"__init__": lambda self: setattr(self, "command", SimpleNamespace())})
    stand_in("control_msgs.action", **{name: SimpleNamespace(Goal=goal)})
    client = FakeActions(ready=False)
    monkeypatch.setattr("rclpy.action.ActionClient", lambda *_: client)
    output = create_gripper(
        node, GripperOutput(type=kind, joint="j", open=0.04, closed=0.0, max_effort=20.0)
    )
    output.publish(gripper(1.0))
    assert client.goals == [] and "action server is missing" in str(output.problem())
    client.ready = True
    output.publish(gripper(1.0))
    output.publish(gripper(1.0))
    assert [goal.command.position for goal in client.goals] == [position]
    assert output.problem() is None


# With the real messages, where control_msgs is installed.


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("gripper_command", "GripperCommand"),
        ("parallel_gripper_command", "ParallelGripperCommand"),
    ],
)
def test_gripper_action_reaches_its_server(node: Any, kind: str, name: str) -> None:
    actions = pytest.importorskip("control_msgs.action", reason="control_msgs is not on PyPI")
    from rclpy.action import ActionServer

    action, goals = getattr(actions, name), []

    def execute(handle: Any) -> Any:
        goals.append(handle.request.command)
        handle.succeed()
        return action.Result()

    output = create_gripper(
        node,
        GripperOutput(
            type=kind, name="hand/gripper_cmd", joint="finger", open=0.04, closed=0.0,
            max_effort=20.0,
        ),
    )  # fmt: skip
    output.publish(gripper(1.0))
    assert "action server is missing" in str(output.problem())
    server = ActionServer(node, action, "hand/gripper_cmd", execute)
    deadline = time.monotonic() + PATIENCE
    for count, value in ((1, 1.0), (2, 0.25)):
        while len(goals) < count and time.monotonic() < deadline:
            output.publish(gripper(value))
            rclpy.spin_once(node, timeout_sec=0.05)
    assert output.problem() is None and len(goals) == 2, "each change once"
    if kind == "gripper_command":
        assert [(goal.position, goal.max_effort) for goal in goals] == [(0.0, 20.0), (0.03, 20.0)]
    else:
        assert [list(goal.position) for goal in goals] == [[0.0], [0.03]]
        assert list(goals[0].name) == ["finger"] and list(goals[0].effort) == [20.0]
    server.destroy()
