# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The executor's commands as messages: one publisher per output that the robot profile names."""

from __future__ import annotations

from typing import Protocol

from geometry_msgs.msg import TwistStamped
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from std_msgs.msg import Float64MultiArray

from molmoact_ros.control import Command, RobotProfile
from molmoact_ros.control.outputs import GripperOutput

from . import qos
from .conversions import time_message


class Output(Protocol):
    """One way to tell the robot what to do."""

    def publish(self, command: Command) -> None:
        """Publish what this output has to say about a command."""

    def flush(self, seconds: float) -> None:
        """Wait until subscribers have what was published, at most ``seconds``."""


def create_outputs(node: Node, profile: RobotProfile) -> list[Output]:
    """Create the publishers of all outputs that a profile names."""
    outputs: list[Output] = []
    if profile.outputs.twist is not None:
        outputs.append(_Twist(node, profile.frame))
    if profile.outputs.gripper is not None:
        outputs.append(_ForwardGripper(node, profile.outputs.gripper))
    return outputs


class _Twist:
    def __init__(self, node: Node, frame: str) -> None:
        self._publisher = node.create_publisher(TwistStamped, "~/twist", qos.COMMAND)
        self._frame = frame

    def publish(self, command: Command) -> None:
        message = TwistStamped()
        message.header.stamp = time_message(command.stamp)
        message.header.frame_id = self._frame
        linear, angular = message.twist.linear, message.twist.angular
        linear.x, linear.y, linear.z = (float(v) for v in command.velocity[:3])
        angular.x, angular.y, angular.z = (float(v) for v in command.velocity[3:])
        self._publisher.publish(message)

    def flush(self, seconds: float) -> None:
        _flush(self._publisher, seconds)


class _ForwardGripper:
    def __init__(self, node: Node, output: GripperOutput) -> None:
        self._publisher = node.create_publisher(Float64MultiArray, "~/gripper", qos.COMMAND)
        self._output = output

    def publish(self, command: Command) -> None:
        if command.gripper is not None and not command.final:
            data = [self._output.value(command.gripper)]
            self._publisher.publish(Float64MultiArray(data=data))

    def flush(self, seconds: float) -> None:
        """Nothing to wait for: the gripper keeps what it was told last."""


def _flush(publisher: Publisher, seconds: float) -> None:
    publisher.wait_for_all_acked(Duration(nanoseconds=int(seconds * 1e9)))
