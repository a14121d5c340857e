# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The executor's commands as messages: one output for each that the robot profile names."""

from __future__ import annotations

from geometry_msgs.msg import PoseStamped, TwistStamped
from rclpy.duration import Duration
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from molmoact_ros.control import Command, Pose, RobotProfile

from . import qos
from .conversions import pose_message, time_message
from .grippers import create_gripper
from .optional import import_optional
from .servo import ServoSwitch


class Output:
    """One way to tell the robot what to do."""

    def publish(self, command: Command) -> None:
        """Publish what this output has to say about a command."""
        raise NotImplementedError

    def problem(self) -> str | None:
        """Return why the robot would not follow, None where nothing is known to be wrong."""
        return None

    def flush(self, seconds: float) -> None:
        """Wait until subscribers have what was published last, at most ``seconds``."""


def create_outputs(node: Node, profile: RobotProfile) -> list[Output]:
    """Create all outputs that a profile names.

    Raises:
        MissingPackage: An output needs a package that is not installed.
    """
    outputs, joints = profile.outputs, profile.action.joints
    created: list[Output] = []
    if outputs.twist is not None:
        created.append(TwistOut(node, profile.frame))
        created += _servo(node, outputs.twist.servo_command_type_service, "TWIST")
    if outputs.pose is not None:
        created.append(PoseOut(node, profile.frame))
        created += _servo(node, outputs.pose.servo_command_type_service, "POSE")
    if outputs.joint_trajectory is not None:
        created.append(JointTrajectoryOut(node, joints))
    if outputs.joint_jog is not None:
        created.append(JointJogOut(node, profile.frame, joints))
    if outputs.forward is not None:
        created.append(ForwardOut(node, outputs.forward.interface))
    if outputs.gripper is not None:
        created.append(create_gripper(node, outputs.gripper))
    return created


class TopicOutput(Output):
    """An output that is a topic."""

    def __init__(self, node: Node, kind: type, topic: str) -> None:
        self._publisher = node.create_publisher(kind, topic, qos.COMMAND)

    def flush(self, seconds: float) -> None:
        """Wait for the acknowledgements of all subscribers."""
        self._publisher.wait_for_all_acked(Duration(nanoseconds=int(seconds * 1e9)))


class TwistOut(TopicOutput):
    """Velocity of the end effector."""

    def __init__(self, node: Node, frame: str) -> None:
        super().__init__(node, TwistStamped, "~/twist")
        self._frame = frame

    def publish(self, command: Command) -> None:
        """Publish the velocity."""
        message = TwistStamped()
        message.header.stamp = time_message(command.stamp)
        message.header.frame_id = self._frame
        linear, angular = message.twist.linear, message.twist.angular
        linear.x, linear.y, linear.z = (float(v) for v in command.velocity[:3])
        angular.x, angular.y, angular.z = (float(v) for v in command.velocity[3:])
        self._publisher.publish(message)


class PoseOut(TopicOutput):
    """Pose that the end effector shall have now."""

    def __init__(self, node: Node, frame: str) -> None:
        super().__init__(node, PoseStamped, "~/pose")
        self._frame = frame

    def publish(self, command: Command) -> None:
        """Publish the pose."""
        assert isinstance(command.position, Pose)
        message = PoseStamped()
        message.header.stamp = time_message(command.stamp)
        message.header.frame_id = self._frame
        message.pose = pose_message(command.position.position, command.position.orientation)
        self._publisher.publish(message)


class JointTrajectoryOut(TopicOutput):
    """What is planned, ending at rest."""

    def __init__(self, node: Node, joints: tuple[str, ...]) -> None:
        super().__init__(node, JointTrajectory, "~/joint_trajectory")
        self._joints = list(joints)

    def publish(self, command: Command) -> None:
        """Publish the trajectory when one is due; its stamp lets elapsed points drop out."""
        preview = command.preview
        if preview is None:
            return
        message = JointTrajectory(joint_names=self._joints)
        message.header.stamp = time_message(command.stamp)
        rows = zip(preview.times, preview.positions, preview.velocities, strict=True)
        message.points = [
            JointTrajectoryPoint(
                positions=positions.tolist(),
                velocities=velocities.tolist(),
                time_from_start=Duration(nanoseconds=round(seconds * 1e9)).to_msg(),
            )
            for seconds, positions, velocities in rows
        ]
        self._publisher.publish(message)


class JointJogOut(TopicOutput):
    """Joint velocities for MoveIt Servo."""

    def __init__(self, node: Node, frame: str, joints: tuple[str, ...]) -> None:
        self._kind = import_optional("control_msgs.msg", "JointJog", "outputs.joint_jog")
        super().__init__(node, self._kind, "~/joint_jog")
        self._frame, self._joints = frame, list(joints)

    def publish(self, command: Command) -> None:
        """Publish the velocities."""
        message = self._kind(joint_names=self._joints, velocities=command.velocity.tolist())
        message.header.stamp = time_message(command.stamp)
        message.header.frame_id = self._frame
        self._publisher.publish(message)


class ForwardOut(TopicOutput):
    """Joint positions or velocities for a forward_command_controller."""

    def __init__(self, node: Node, interface: str) -> None:
        super().__init__(node, Float64MultiArray, "~/forward")
        self._velocities = interface == "velocity"

    def publish(self, command: Command) -> None:
        """Publish positions or velocities."""
        values = command.velocity if self._velocities else command.position
        assert not isinstance(values, Pose)
        self._publisher.publish(Float64MultiArray(data=values.tolist()))


class ServoOut(Output):
    """Keeps MoveIt Servo on the kind of command that is published; says nothing itself."""

    def __init__(self, node: Node, service: str, kind: str) -> None:
        self._switch = ServoSwitch(node, service, kind)

    def publish(self, command: Command) -> None:
        """Nothing to publish."""

    def problem(self) -> str | None:
        """Return why Servo would not follow."""
        return self._switch.problem()


def _servo(node: Node, service: str, kind: str) -> list[Output]:
    return [ServoOut(node, service, kind)] if service else []
