# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The executor's commands as messages: one output for each that the robot profile names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped, Twist, TwistStamped, Vector3
from rclpy.duration import Duration
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray, Header
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from molmoact_ros.control import Command, Pose, RobotProfile
from molmoact_ros.control.output_settings import GripperOutput
from molmoact_ros.ros import qos
from molmoact_ros.ros.conversions import pose_message, time_message
from molmoact_ros.ros.optional import import_optional

_GRIPPER_TRAVEL = 0.5  # s that a gripper trajectory takes
_GRIPPER_ACTIONS = {
    "gripper_command": "GripperCommand",  # older distributions
    "parallel_gripper_command": "ParallelGripperCommand",  # Jazzy and newer
}


class Output:
    """One way to command the robot."""

    def publish(self, command: Command) -> None:
        """Publish what this output takes from a command; by default nothing."""

    def problem(self) -> str | None:
        """Return why motion cannot be enabled, None where nothing is known to be wrong."""
        return None

    def fault(self) -> str | None:
        """Return why the robot does not follow at present: motion stops, and recovers by itself."""
        return None

    def notes(self) -> Mapping[str, str]:
        """Return what diagnostics show besides."""
        return {}

    def flush(self, seconds: float) -> None:
        """Wait until subscribers have what was published last, at most `seconds`."""


def create_outputs(node: Node, profile: RobotProfile) -> list[Output]:
    """Create the outputs of arm and gripper that a profile names.

    Raises:
        MissingPackage: An output needs a package that is not installed.
    """
    kinds: dict[str, type[ArmOutput]] = {
        "twist": TwistPublisher,
        "pose": PosePublisher,
        "joint_trajectory": JointTrajectoryPublisher,
        "joint_jog": JointJogPublisher,
        "forward": ForwardPublisher,
    }
    outputs: list[Output] = [kinds[name](node, name, profile) for name in profile.outputs.arm]
    if profile.outputs.gripper is not None:
        outputs.append(create_gripper(node, profile.outputs.gripper))
    return outputs


def robot_topic(node: Node, name: str, driver_topic: str) -> str:
    """Return the name of a topic that the driver of the robot publishes or receives.

    Args:
        node: Publishes or subscribes to it.
        name: Of the node's topic, e.g. `twist` for `~/twist`.
        driver_topic: The name that the robot profile gives; empty: none.

    Returns:
        `~/name` where that is remapped or the profile gives no name, else `driver_topic`.
    """
    private = f"~/{name}"
    is_remapped = node.resolve_topic_name(private) != node.resolve_topic_name(
        private, only_expand=True
    )
    return private if is_remapped or not driver_topic else driver_topic


class ArmOutput(Output):
    """A topic with commands for the arm."""

    kind: type = type(None)  # of the messages

    def __init__(self, node: Node, name: str, profile: RobotProfile) -> None:
        self._profile = profile
        topic = robot_topic(node, name, profile.topics.get(name, ""))
        self._publisher = node.create_publisher(self.kind, topic, qos.COMMAND)

    def publish(self, command: Command) -> None:
        """Publish a command."""
        message = self.message(command)
        if message is not None:
            self._publisher.publish(message)

    def flush(self, seconds: float) -> None:
        """Wait for the acknowledgements of all subscribers."""
        self._publisher.wait_for_all_acked(Duration(nanoseconds=int(seconds * 1e9)))

    def message(self, command: Command) -> Any:
        """Return the message of a command, None where none is due."""
        raise NotImplementedError

    def _header(self, command: Command) -> Header:
        return Header(stamp=time_message(command.stamp), frame_id=self._profile.frame)


class TwistPublisher(ArmOutput):
    """Velocity of the end effector."""

    kind = TwistStamped

    def message(self, command: Command) -> TwistStamped:
        """Return the velocity."""
        x, y, z, roll, pitch, yaw = command.velocity.tolist()
        twist = Twist(linear=Vector3(x=x, y=y, z=z), angular=Vector3(x=roll, y=pitch, z=yaw))
        return TwistStamped(header=self._header(command), twist=twist)


class PosePublisher(ArmOutput):
    """Target pose of the end effector."""

    kind = PoseStamped

    def message(self, command: Command) -> PoseStamped:
        """Return the pose."""
        assert isinstance(command.position, Pose)
        pose = pose_message(command.position.position, command.position.orientation)
        return PoseStamped(header=self._header(command), pose=pose)


class JointTrajectoryPublisher(ArmOutput):
    """What is planned, ending at rest."""

    kind = JointTrajectory

    def message(self, command: Command) -> JointTrajectory | None:
        """Return the trajectory when one is due; its stamp lets elapsed points drop out."""
        preview = command.preview
        if preview is None:
            return None
        rows = zip(preview.times, preview.positions, preview.velocities, strict=True)
        return JointTrajectory(
            header=Header(stamp=time_message(command.stamp)),
            joint_names=list(self._profile.action.joints),
            points=[_point(time, q.tolist(), v.tolist()) for time, q, v in rows],
        )


class JointJogPublisher(ArmOutput):
    """Joint velocities for MoveIt Servo."""

    def __init__(self, node: Node, name: str, profile: RobotProfile) -> None:
        self.kind = import_optional("control_msgs.msg", "JointJog", "outputs.joint_jog")
        super().__init__(node, name, profile)

    def message(self, command: Command) -> Any:
        """Return the velocities."""
        return self.kind(
            header=self._header(command),
            joint_names=list(self._profile.action.joints),
            velocities=command.velocity.tolist(),
        )


class ForwardPublisher(ArmOutput):
    """Joint positions or velocities for a forward_command_controller."""

    kind = Float64MultiArray

    def message(self, command: Command) -> Float64MultiArray:
        """Return positions or velocities."""
        settings = self._profile.outputs.forward
        assert settings is not None and isinstance(command.position, np.ndarray)
        is_velocity = settings.interface == "velocity"
        values = command.velocity if is_velocity else command.position
        return Float64MultiArray(data=values.tolist())


def create_gripper(node: Node, output: GripperOutput) -> Gripper:
    """Return the output for a gripper.

    Raises:
        MissingPackage: The gripper's action needs control_msgs.
    """
    kind = ActionGripper if output.type in _GRIPPER_ACTIONS else TopicGripper
    return kind(node, output)


class Gripper(Output):
    """Sends the gripper's command when it has changed. Ignores the final zero command."""

    def __init__(self, node: Node, output: GripperOutput) -> None:
        self._output = output
        self._sent: float | None = None

    def publish(self, command: Command) -> None:
        """Send the gripper's command where it has changed."""
        wanted = command.gripper
        if command.final:
            self._sent = None  # it may be moved by hand before motion is enabled again
            return
        if wanted is None:
            return
        if self._sent is not None and not self._is_due(wanted, self._sent):
            return
        if self._send(self._output.value(wanted)):
            self._sent = wanted

    def _is_due(self, wanted: float, sent: float) -> bool:
        # Fully open and fully closed are always worth a message.
        is_large = abs(wanted - sent) >= self._output.min_change or wanted in (0.0, 1.0)
        return wanted != sent and is_large

    def _send(self, value: float) -> bool:
        """Send a value in the driver's unit; return whether it was sent."""
        raise NotImplementedError


class TopicGripper(Gripper):
    """std_msgs/Float64MultiArray with every command, or JointTrajectory with one point."""

    def __init__(self, node: Node, output: GripperOutput) -> None:
        super().__init__(node, output)
        self._is_trajectory = output.type == "joint_trajectory"
        kind = JointTrajectory if self._is_trajectory else Float64MultiArray
        topic = robot_topic(node, "gripper", output.name)
        self._publisher = node.create_publisher(kind, topic, qos.COMMAND)

    def _is_due(self, wanted: float, sent: float) -> bool:
        return super()._is_due(wanted, sent) if self._is_trajectory else True

    def _send(self, value: float) -> bool:
        if self._is_trajectory:
            if not self._publisher.get_subscription_count():
                return False  # the controller comes later, and this value is not repeated
            point = _point(_GRIPPER_TRAVEL, [value], [0.0])
            message = JointTrajectory(joint_names=[self._output.joint], points=[point])
        else:
            message = Float64MultiArray(data=[value])
        self._publisher.publish(message)
        return True


class ActionGripper(Gripper):
    """Goals of control_msgs/GripperCommand or ParallelGripperCommand; each replaces the last."""

    def __init__(self, node: Node, output: GripperOutput) -> None:
        super().__init__(node, output)
        from rclpy.action import ActionClient  # 15 MB that other grippers do not need

        name, needed_by = _GRIPPER_ACTIONS[output.type], f"outputs.gripper ({output.type})"
        self._kind = import_optional("control_msgs.action", name, needed_by)
        self._client = ActionClient(node, self._kind, output.name)

    def problem(self) -> str | None:
        """Return why the gripper would not follow."""
        return None if self._client.server_is_ready() else "the gripper's action server is missing"

    def _send(self, value: float) -> bool:
        if not self._client.server_is_ready():
            return False
        goal, output = self._kind.Goal(), self._output
        if output.type == "gripper_command":
            goal.command.position, goal.command.max_effort = value, output.max_effort
        else:
            goal.command.name, goal.command.position = [output.joint], [value]
            if output.max_effort > 0.0:
                goal.command.effort = [output.max_effort]
        self._client.send_goal_async(goal)
        return True


def _point(seconds: float, positions: list[float], velocities: list[float]) -> JointTrajectoryPoint:
    return JointTrajectoryPoint(
        positions=positions,
        velocities=velocities,
        time_from_start=Duration(nanoseconds=round(seconds * 1e9)).to_msg(),
    )
