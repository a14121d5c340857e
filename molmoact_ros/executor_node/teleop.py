# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A person's commands as messages: of the end effector or of joints, and of the gripper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import TwistStamped
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64

from molmoact_ros.control import Refusal, RobotProfile, TeleopCommand
from molmoact_ros.ros import qos
from molmoact_ros.ros.bounded_subscription import BoundedSubscription
from molmoact_ros.ros.conversions import seconds

# Bytes of a serialized message.
_LARGEST_TWIST = 1024  # with a frame of 900 letters
_LARGEST_JOINTS = 65_536  # as of a measured state
_LARGEST_GRIPPER = 64


class TeleopInputs:
    """Subscriptions to `~/teleop` or `~/teleop_joints`, and to `~/teleop_gripper`."""

    def __init__(
        self,
        node: Node,
        profile: RobotProfile,
        drive: Callable[[TeleopCommand], None],
        grip: Callable[[float], None],
        refuse: Callable[[str, str], None],
    ) -> None:
        """Subscribe to what a profile has.

        Args:
            node: Subscribes.
            profile: Of the robot.
            drive: Takes the commands for the arm.
            grip: Takes those for the gripper.
            refuse: Takes counter and reason of what is no command.
        """
        self._node = node
        self._profile = profile
        self._drive = drive
        self._refuse = refuse
        if profile.action.cartesian:
            self._arm = self._subscribe(TwistStamped, "~/teleop", self._on_twist, _LARGEST_TWIST)
        else:
            topic = "~/teleop_joints"
            self._arm = self._subscribe(JointState, topic, self._on_joints, _LARGEST_JOINTS)
        if profile.action.gripper is not None:
            topic = "~/teleop_gripper"
            self._subscribe(Float64, topic, lambda m: grip(m.data), _LARGEST_GRIPPER)

    def _subscribe(
        self, kind: type, topic: str, callback: Callable[[Any], None], capacity: int
    ) -> BoundedSubscription:
        def unreadable(reason: str) -> None:
            self._refuse("refused_unreadable", f"{topic}: {reason}")

        return BoundedSubscription(
            self._node, kind, topic, callback, qos.STATE, capacity, unreadable
        )

    def _on_twist(self, message: TwistStamped) -> None:
        v, w = message.twist.linear, message.twist.angular
        self._drive(
            TeleopCommand(
                velocity=np.array([v.x, v.y, v.z, w.x, w.y, w.z]),
                stamp=seconds(message.header.stamp),
                frame=message.header.frame_id,
                source=self._arm.source,
            )
        )

    def _on_joints(self, message: JointState) -> None:
        try:
            velocity = joint_velocities(message, self._profile.action.joints)
        except Refusal as refusal:
            self._refuse(refusal.counter, str(refusal))
            return
        stamp = seconds(message.header.stamp)
        self._drive(TeleopCommand(velocity, stamp, source=self._arm.source))


def joint_velocities(message: JointState, joints: tuple[str, ...]) -> np.ndarray:
    """Return the velocities `[J]` of a robot's joints, 0 for those that are not named.

    Joints that the robot does not have, such as a leader's gripper, are left out.

    Raises:
        Refusal: There are no velocities, or none of a joint that it has.
    """
    names, velocities = list(message.name), list(message.velocity)
    if len(velocities) != len(names):
        reason = f"{len(names)} names, {len(velocities)} velocities: positions are not followed"
        raise Refusal("refused_shape", reason)
    given = dict(zip(names, velocities, strict=True))
    if not given.keys() & set(joints):
        reason = f"it names none of this robot's joints: {', '.join(joints)}"
        raise Refusal("refused_names", reason)
    return np.array([given.get(name, 0.0) for name in joints])
