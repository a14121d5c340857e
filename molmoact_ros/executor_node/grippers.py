# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The gripper's command as a topic or as an action."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from molmoact_ros.control import Command
from molmoact_ros.control.output_settings import GripperOutput
from molmoact_ros.ros import qos
from molmoact_ros.ros.optional import import_optional

from .output import Output, robot_topic

_TRAVEL = 0.5  # s that a gripper trajectory takes


def create_gripper(node: Node, output: GripperOutput) -> Gripper:
    """Return the output for a gripper.

    Raises:
        MissingPackage: The gripper's action needs control_msgs.
    """
    kinds: dict[str, Callable[[Node, GripperOutput], Gripper]] = {
        "forward": ForwardGripper,
        "joint_trajectory": TrajectoryGripper,
        "gripper_command": GripperCommandClient,
        "parallel_gripper_command": ParallelGripperClient,
    }
    return kinds[output.type](node, output)


class Gripper(Output):
    """An output that speaks when the gripper's command has changed. The last zero is not for it."""

    def __init__(self, output: GripperOutput) -> None:
        self._output = output
        self._sent: float | None = None

    def publish(self, command: Command) -> None:
        """Send the gripper's command where it has changed."""
        wanted = command.gripper
        if wanted is None or command.final:
            return
        if self._sent is not None and not self._is_news(wanted, self._sent):
            return
        if self._send(self._output.value(wanted)):
            self._sent = wanted

    def _is_news(self, wanted: float, sent: float) -> bool:
        # Fully open and fully closed are always worth a message.
        return wanted != sent and (
            abs(wanted - sent) >= self._output.min_change or wanted in (0.0, 1.0)
        )

    def _send(self, value: float) -> bool:
        """Send a value in the driver's unit; return whether it went out."""
        raise NotImplementedError


class ForwardGripper(Gripper):
    """std_msgs/Float64MultiArray, with every command."""

    def __init__(self, node: Node, output: GripperOutput) -> None:
        super().__init__(output)
        topic = robot_topic(node, "gripper", output.name)
        self._publisher = node.create_publisher(Float64MultiArray, topic, qos.COMMAND)

    def _is_news(self, wanted: float, sent: float) -> bool:
        return True

    def _send(self, value: float) -> bool:
        self._publisher.publish(Float64MultiArray(data=[value]))
        return True


class TrajectoryGripper(Gripper):
    """trajectory_msgs/JointTrajectory with one point."""

    def __init__(self, node: Node, output: GripperOutput) -> None:
        super().__init__(output)
        topic = robot_topic(node, "gripper", output.name)
        self._publisher = node.create_publisher(JointTrajectory, topic, qos.COMMAND)

    def _send(self, value: float) -> bool:
        point = JointTrajectoryPoint(
            positions=[value],
            velocities=[0.0],
            time_from_start=Duration(nanoseconds=round(_TRAVEL * 1e9)).to_msg(),
        )
        message = JointTrajectory(joint_names=[self._output.joint], points=[point])
        self._publisher.publish(message)
        return True


class ActionGripper(Gripper):
    """A gripper that is commanded by an action's goals; a new one replaces the last."""

    def __init__(self, node: Node, output: GripperOutput, name: str) -> None:
        super().__init__(output)
        from rclpy.action import ActionClient  # 15 MB that other grippers do not need

        self._kind = import_optional(
            "control_msgs.action", name, f"outputs.gripper ({output.type})"
        )
        self._client = ActionClient(node, self._kind, output.name)

    def problem(self) -> str | None:
        """Return why the gripper would not follow."""
        return None if self._client.server_is_ready() else "the gripper's action server is missing"

    def _send(self, value: float) -> bool:
        if not self._client.server_is_ready():
            return False
        self._client.send_goal_async(self._goal(value))
        return True

    def _goal(self, value: float) -> Any:
        raise NotImplementedError


class GripperCommandClient(ActionGripper):
    """control_msgs/GripperCommand: older distributions."""

    def __init__(self, node: Node, output: GripperOutput) -> None:
        super().__init__(node, output, "GripperCommand")

    def _goal(self, value: float) -> Any:
        goal = self._kind.Goal()
        goal.command.position = value
        goal.command.max_effort = self._output.max_effort
        return goal


class ParallelGripperClient(ActionGripper):
    """control_msgs/ParallelGripperCommand: Jazzy and newer."""

    def __init__(self, node: Node, output: GripperOutput) -> None:
        super().__init__(node, output, "ParallelGripperCommand")

    def _goal(self, value: float) -> Any:
        goal = self._kind.Goal()
        goal.command.name = [self._output.joint]
        goal.command.position = [value]
        if self._output.max_effort > 0.0:
            goal.command.effort = [self._output.max_effort]
        return goal
