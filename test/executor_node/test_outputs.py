# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Commands for the arm as messages on real topics."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import rclpy
from geometry_msgs.msg import PoseStamped, TwistStamped
from output_messages import ARM, JOINTS, ORDINARY, profile, received
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from molmoact_ros.control.output_settings import GripperOutput
from molmoact_ros.executor_node.outputs import create_gripper, create_outputs
from molmoact_ros.executor_node.servo import create_servos
from molmoact_ros.ros.optional import MissingPackage


def test_twist_and_pose_at_once(node: Any) -> None:
    outputs = create_outputs(node, profile({"twist": {}, "pose": {}}))

    def publish() -> None:
        for output in outputs:
            output.publish(ARM)

    twist = received(node, TwistStamped, "/outputs/twist", publish)
    assert (twist.header.stamp.sec, twist.header.stamp.nanosec) == (12, 500_000_000)
    assert twist.header.frame_id == "base"
    assert (twist.twist.linear.y, twist.twist.angular.z) == (0.2, 0.6)
    pose = received(node, PoseStamped, "/outputs/pose", publish)
    assert (pose.pose.position.z, pose.pose.orientation.z) == (0.7, 1.0)
    for output in outputs:
        output.flush(1.0)


def test_joint_trajectory(node: Any) -> None:
    [output] = create_outputs(node, profile({"joint_trajectory": {}}, joints=True))
    message = received(
        node, JointTrajectory, "/outputs/joint_trajectory", lambda: output.publish(JOINTS)
    )
    assert message.joint_names == ["a", "b"] and message.header.stamp.sec == 12
    first, last = message.points
    assert (list(first.positions), list(first.velocities)) == ([0.31, 0.38], [0.1, -0.2])
    assert first.time_from_start.nanosec == 50_000_000
    assert list(last.velocities) == [0.0, 0.0] and last.time_from_start.nanosec == 100_000_000


@pytest.mark.parametrize(
    ("interface", "values"), [("position", [0.3, 0.4]), ("velocity", [0.1, -0.2])]
)
def test_forward(node: Any, interface: str, values: Any) -> None:
    [output] = create_outputs(node, profile({"forward": {"interface": interface}}, joints=True))
    message = received(node, Float64MultiArray, "/outputs/forward", lambda: output.publish(JOINTS))
    assert list(message.data) == values


def test_topics_of_the_driver_and_a_remapping_that_takes_their_place(domain: int) -> None:
    keys = profile({"twist": {}, "pose": {}})
    keys = dataclasses.replace(keys, topics={"twist": "driver/twist", "pose": "/driver/pose"})
    hand = GripperOutput(name="driver/gripper")
    for arguments, names in (
        ([], ["/left/driver/twist", "/driver/pose", "/left/driver/gripper"]),
        (["-r", "~/twist:=/other"], ["/other", "/driver/pose", "/left/driver/gripper"]),
        (["-r", "~/gripper:=/hand"], ["/left/driver/twist", "/driver/pose", "/hand"]),
        (["-r", "/driver/pose:=/p"], ["/left/driver/twist", "/p", "/left/driver/gripper"]),
    ):
        rclpy.init(args=[*ORDINARY, "-r", "__ns:=/left", *arguments], domain_id=domain)
        try:
            node = rclpy.create_node("outputs")
            before = list(node.publishers)
            create_outputs(node, keys)
            create_gripper(node, hand)
            made = [publisher for publisher in node.publishers if publisher not in before]
            assert [publisher.topic_name for publisher in made] == names
        finally:
            rclpy.shutdown()


def test_joint_jog(node: Any) -> None:
    messages = pytest.importorskip("control_msgs.msg", reason="control_msgs is not on PyPI")
    [output] = create_outputs(node, profile({"joint_jog": {}}, joints=True))
    message = received(
        node, messages.JointJog, "/outputs/joint_jog", lambda: output.publish(JOINTS)
    )
    assert (message.header.stamp.sec, message.header.frame_id) == (12, "base")
    assert list(message.joint_names) == ["a", "b"] and list(message.velocities) == [0.1, -0.2]
    assert not message.displacements, "Servo takes velocities only"


@pytest.mark.parametrize(
    ("outputs", "joints", "words"),
    [
        ({"joint_jog": {}}, True, "outputs.joint_jog: needs the package control_msgs"),
        (
            {"twist": {"servo_command_type_service": "/servo/switch"}}, False,
            "needs the package moveit_msgs; install it with: sudo apt install "
            "ros-$ROS_DISTRO-moveit-msgs",
        ),
    ],
)  # fmt: skip
def test_missing_package_is_an_error_that_names_what_to_install(
    node: Any, outputs: Any, joints: Any, words: str, without_moveit: None
) -> None:
    with pytest.raises(MissingPackage) as error:
        create_outputs(node, profile(outputs, joints))
        create_servos(node, profile(outputs, joints))
    assert words in str(error.value)
