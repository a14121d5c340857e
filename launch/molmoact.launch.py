# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Policy and executor for a robot whose cameras and controllers run already.

    ros2 launch molmoact_ros molmoact.launch.py checkpoint:=/data/my_checkpoint \
        robot:=my_robot.yaml image_topics:="['/front/image_raw', '/wrist/image_raw']" \
        ee_pose:=/ee_pose twist:=/servo_node/delta_twist_cmds instruction:="close the box"

Motion is off until the executor's ~/enable is called.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription

POLICY_PARAMETERS = str(
    Path(get_package_share_directory("molmoact_ros")) / "config" / "policy.yaml"
)
ARGUMENTS = {
    "namespace": ("", "Namespace of both nodes."),
    "use_sim_time": ("false", "Use /clock."),
    "checkpoint": (None, "Checkpoint directory, or Hugging Face hub id."),
    "instruction": ("", "What to do; empty: wait for ~/instruction."),
    "policy_params": (POLICY_PARAMETERS, "Parameters of the policy node."),
    "device": ("cuda", "Torch device: cuda, cuda:1 or cpu."),
    "image_topics": ("['']", "One topic per camera, the leading one first; [''] for the default."),
    "image_transport": ("raw", "Kind of the image messages: raw or compressed."),
    "robot": (None, "Robot profile: a name in config/robots, or a YAML file."),
    "enable_on_start": ("false", "Enable motion without a call of ~/enable."),
    "require_approval": ("false", "Execute each chunk only after a call of ~/approve."),
    "ee_pose": ("ee_pose", "Topic of the measured end effector pose (PoseStamped)."),
    "joint_states": ("joint_states", "Topic of the measured joints (JointState)."),
    "twist": ("~/twist", "Topic of the velocity command (TwistStamped)."),
    "gripper": ("~/gripper", "Topic of the gripper command."),
    "log_level": ("info", "Log level of both nodes."),
}


def _typed(name: str, kind: object) -> ParameterValue:
    # Without the type, launch would guess it: instruction:=7 would become a number.
    return ParameterValue(LaunchConfiguration(name), value_type=kind)


def generate_launch_description() -> LaunchDescription:
    """Return the description."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    log = ["--ros-args", "--log-level", LaunchConfiguration("log_level")]
    sim_time = {"use_sim_time": _typed("use_sim_time", bool)}
    policy = Node(
        package="molmoact_ros",
        executable="policy_node",
        name="molmoact_policy",
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            LaunchConfiguration("policy_params"),
            sim_time,
            {
                "checkpoint": _typed("checkpoint", str),
                "instruction": _typed("instruction", str),
                "device": _typed("device", str),
                "image_topics": _typed("image_topics", list[str]),
                "image_transport": _typed("image_transport", str),
            },
        ],
        arguments=log,
        output="screen",
    )
    executor = Node(
        package="molmoact_ros",
        executable="executor_node",
        name="molmoact_executor",
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            sim_time,
            {
                "robot": _typed("robot", str),
                "enable_on_start": _typed("enable_on_start", bool),
                "require_approval": _typed("require_approval", bool),
            },
        ],
        remappings=[
            ("~/action_chunk", "molmoact_policy/action_chunk"),
            *((f"~/{name}", LaunchConfiguration(name)) for name in
              ("ee_pose", "joint_states", "twist", "gripper")),
        ],
        arguments=log,
        output="screen",
    )  # fmt: skip
    return LaunchDescription([*arguments, policy, executor])
