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
from molmoact_ros.ros import qos
from molmoact_ros.ros.conversions import pose_message, time_message
from molmoact_ros.ros.optional import import_optional

from .grippers import create_gripper
from .output import Output, robot_topic
from .servo import Servo


def create_outputs(node: Node, profile: RobotProfile) -> list[Output]:
    """Create all outputs that a profile names.

    Raises:
        MissingPackage: An output needs a package that is not installed.
    """
    outputs, joints = profile.outputs, profile.action.joints
    topics = {
        name: robot_topic(node, name, profile.topics.get(name, "")) for name in outputs.arm
    }
    created: list[Output] = []
    if outputs.twist is not None:
        created.append(TwistOut(node, topics["twist"], profile.frame))
    if outputs.pose is not None:
        created.append(PoseOut(node, topics["pose"], profile.frame))
    if outputs.joint_trajectory is not None:
        created.append(JointTrajectoryOut(node, topics["joint_trajectory"], joints))
    if outputs.joint_jog is not None:
        created.append(JointJogOut(node, topics["joint_jog"], profile.frame, joints))
    if outputs.forward is not None:
        created.append(ForwardOut(node, topics["forward"], outputs.forward.interface))
    for kind in ("twist", "pose", "joint_jog"):
        output = getattr(outputs, kind)
        if output is not None and output.servo_node:
            created.append(Servo(node, output, kind.upper(), _speeds(profile)))
    if outputs.gripper is not None:
        created.append(create_gripper(node, outputs.gripper))
    return created


def _speeds(profile: RobotProfile) -> dict[str, float]:
    """Return the limits that MoveIt Servo's scales must not be below."""
    limits = {"linear": profile.limits.linear, "rotational": profile.limits.angular}
    return {name: limit.speed for name, limit in limits.items() if limit is not None}


class TopicOutput(Output):
    """An output that is a topic."""

    def __init__(self, node: Node, kind: type, topic: str) -> None:
        self._publisher = node.create_publisher(kind, topic, qos.COMMAND)

    def flush(self, seconds: float) -> None:
        """Wait for the acknowledgements of all subscribers."""
        self._publisher.wait_for_all_acked(Duration(nanoseconds=int(seconds * 1e9)))


class TwistOut(TopicOutput):
    """Velocity of the end effector."""

    def __init__(self, node: Node, topic: str, frame: str) -> None:
        super().__init__(node, TwistStamped, topic)
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

    def __init__(self, node: Node, topic: str, frame: str) -> None:
        super().__init__(node, PoseStamped, topic)
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

    def __init__(self, node: Node, topic: str, joints: tuple[str, ...]) -> None:
        super().__init__(node, JointTrajectory, topic)
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

    def __init__(self, node: Node, topic: str, frame: str, joints: tuple[str, ...]) -> None:
        self._kind = import_optional("control_msgs.msg", "JointJog", "outputs.joint_jog")
        super().__init__(node, self._kind, topic)
        self._frame, self._joints = frame, list(joints)

    def publish(self, command: Command) -> None:
        """Publish the velocities."""
        message = self._kind(joint_names=self._joints, velocities=command.velocity.tolist())
        message.header.stamp = time_message(command.stamp)
        message.header.frame_id = self._frame
        self._publisher.publish(message)


class ForwardOut(TopicOutput):
    """Joint positions or velocities for a forward_command_controller."""

    def __init__(self, node: Node, topic: str, interface: str) -> None:
        super().__init__(node, Float64MultiArray, topic)
        self._velocities = interface == "velocity"

    def publish(self, command: Command) -> None:
        """Publish positions or velocities."""
        values = command.velocity if self._velocities else command.position
        assert not isinstance(values, Pose)
        self._publisher.publish(Float64MultiArray(data=values.tolist()))
