# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Policy and executor for a robot whose cameras and controllers run already.

    ros2 launch molmoact_ros molmoact.launch.py checkpoint:=/data/my_checkpoint \
        robot:=ur_servo cameras:=/front/image_raw,/wrist/image_raw instruction:="close the box"

Motion is off until the executor's ~/enable is called. An argument that is left out leaves what
`params_file` holds; a topic of the robot that is left out is that of the robot's profile. On two
machines: nodes:=policy on one, nodes:=executor on the other.
"""

from typing import Any

from launch import Action, LaunchContext, LaunchDescription
from launch.actions import ExecuteProcess, IncludeLaunchDescription, SetEnvironmentVariable
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node

from molmoact_ros.control import load_profile
from molmoact_ros.control.robot_profile import robot_path
from molmoact_ros.launching.dds import image_settings
from molmoact_ros.launching.launch_file import (
    LaunchError,
    description,
    end_all,
    end_all_if_misconfigured,
    full_name,
    is_true,
    require_package,
    typed,
)
from molmoact_ros.launching.respawn import OnExit, respawned
from molmoact_ros.launching.start_checks import check_executor_node, check_policy_node
from molmoact_ros.share import share

SHARE = share()
ARGUMENTS = {
    "nodes": ("both", "Which nodes to start here: both, policy or executor."),
    "namespace": ("", "Namespace of both nodes."),
    "use_sim_time": ("false", "Use /clock."),
    "params_file": (str(SHARE / "config" / "policy.yaml"), "Parameters, sections by node."),
    "checkpoint": ("", "Checkpoint directory, or Hugging Face hub id; or give server."),
    "server": ("", "Policy server that computes for this robot: ws://host:port, or wss:// (TLS)."),
    "server_token_file": ("", "File with the token that the server has given this robot."),
    "server_ca": ("", "PEM file to verify the server's certificate by; empty: the system's."),
    "server_images": ("", "How pictures are sent to the server: jpeg or raw."),
    "robot_name": ("", "Name by which the server knows this robot; empty: host and node."),
    "profile": ("", "YAML file of the checkpoint's profile; empty: found by name or content."),
    "instruction": ("", "What to do; empty: wait for ~/instruction."),
    "device": ("", "Torch device: cuda, cuda:1 or cpu."),
    "quantization": ("", "Weights of fewer bits: int8, int4 or fp8."),
    "cameras": ("", "Image topics separated by commas, the scene camera first."),
    "image_transport": ("", "Type of the image messages: raw or compressed."),
    "robot": ("", "Robot profile: a name in config/robots, or a YAML file; for the executor."),
    "autostart": ("true", "Nodes configure and activate themselves; false: a supervisor does so."),
    "enable_on_start": ("false", "Enable motion without a call of ~/enable."),
    "require_approval": ("false", "Execute each chunk only after a call of ~/approve."),
    "use_respawn": ("false", "Restart the policy after a crash: after 1, 2, 4 .. 60 s."),
    "action_chunk": ("molmoact_policy/action_chunk", "Topic of the chunks, for the executor."),
    # The robot's side; empty: as in its profile, else ee_pose, joint_states and private names.
    "ee_pose": ("", "Topic of the measured end effector pose (PoseStamped)."),
    "joint_states": ("", "Topic of the measured joints (JointState)."),
    "twist": ("", "Topic of the velocity command (TwistStamped)."),
    "pose": ("", "Topic of the pose command (PoseStamped)."),
    "joint_trajectory": ("", "Topic of the trajectory (JointTrajectory)."),
    "joint_jog": ("", "Topic of the joints' velocities (JointJog)."),
    "forward": ("", "Topic of the joint command (Float64MultiArray)."),
    "gripper": ("", "Topic of the gripper command; names of actions: in the profile."),
    "rviz": ("false", "Start RViz with images and answers (view.launch.py)."),
    "camera_info": ("camera_info", "CameraInfo topic of the scene camera, for rviz."),
    "console": ("false", "Serve a web page to see, instruct and stop the robot (console_node)."),
    "record": ("false", "Record the outputs of both nodes with rosbag2."),
    "log_level": ("info", "Log level of both nodes."),
}
EXECUTOR_TOPICS = (
    "action_chunk", "ee_pose", "joint_states",
    "twist", "pose", "joint_trajectory", "joint_jog", "forward", "gripper",
)  # fmt: skip
POLICY_PARAMETERS = (
    "checkpoint", "profile", "instruction", "device", "quantization", "image_transport",
    "server", "server_token_file", "server_ca", "server_images", "robot_name",
)  # fmt: skip
RECORDED = (
    "molmoact_policy/reasoning", "molmoact_policy/action_chunk", "molmoact_policy/overlay",
    "molmoact_policy/depth_image", "molmoact_executor/status",
    "molmoact_executor/human",
)  # fmt: skip


def policy(values: dict[str, str], context: LaunchContext) -> Action:
    """Return the policy node, after a look at its settings."""
    if bool(values["checkpoint"]) == bool(values["server"]):
        raise LaunchError(
            "launch argument 'checkpoint': give a directory or a hub id, or launch argument "
            "'server', the address of a policy server, and not both"
        )
    given = {name: values[name] for name in POLICY_PARAMETERS if values[name]} | switches(values)
    if cameras := camera_topics(values):
        given["image_topics"] = cameras
    name = full_name(context, values["namespace"], "molmoact_policy")
    check_policy_node(name, values["params_file"], given)

    def create(on_exit: OnExit) -> Node:
        return Node(
            executable="policy_node",
            name="molmoact_policy",
            parameters=[values["params_file"], typed(given)],
            on_exit=on_exit,
            **process(values),
        )

    return respawned(create, end_all) if is_true(values, "use_respawn") else create(end_all)


def executor(values: dict[str, str], context: LaunchContext) -> Node:
    """Return the executor node, after a look at its settings."""
    if not values["robot"]:
        raise LaunchError("launch argument 'robot': give a name in config/robots or a YAML file")
    given = {
        "robot": values["robot"],
        "enable_on_start": is_true(values, "enable_on_start"),
        "require_approval": is_true(values, "require_approval"),
    } | switches(values)
    name = full_name(context, values["namespace"], "molmoact_executor")
    check_executor_node(name, values["params_file"], given)
    return Node(
        executable="executor_node",
        name="molmoact_executor",
        parameters=[values["params_file"], typed(given)],
        remappings=[(f"~/{name}", values[name]) for name in EXECUTOR_TOPICS if values[name]],
        on_exit=end_all,
        **process(values),
    )


def switches(values: dict[str, str]) -> dict[str, Any]:
    """Return the parameters that both nodes have."""
    return {name: is_true(values, name) for name in ("use_sim_time", "autostart")}


def camera_topics(values: dict[str, str]) -> list[str]:
    """Return the image topics, the scene camera's first; none: as the parameters have them."""
    return [topic.strip() for topic in values["cameras"].split(",")] if values["cameras"] else []


def process(values: dict[str, str]) -> dict[str, Any]:
    """Return what both processes have in common."""
    return {
        "package": "molmoact_ros",
        "namespace": values["namespace"],
        "arguments": ["--ros-args", "--log-level", values["log_level"]],
        "output": "screen",
    }


def with_measured_state(values: dict[str, str]) -> dict[str, str]:
    """Return the values with the topics of the robot's state, which RViz takes as well."""
    profile = load_profile(robot_path(values["robot"])) if values["robot"] else None
    topics = profile.topics if profile else {}
    names = ("ee_pose", "joint_states")
    return values | {name: values[name] or topics.get(name, name) for name in names}


def view(values: dict[str, str]) -> IncludeLaunchDescription:
    """Return RViz and the markers node."""
    require_package("rviz2", "launch argument 'rviz'")
    arguments = {name: values[name] for name in ("namespace", "use_sim_time", "log_level")}
    arguments |= {"ee_pose": values["ee_pose"], "camera_info": values["camera_info"]}
    arguments["camera_transform"] = "none"
    if cameras := camera_topics(values):
        arguments["image"] = cameras[0]
    return IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(SHARE / "launch" / "view.launch.py")),
        launch_arguments=arguments.items(),
    )


def console(values: dict[str, str]) -> Node:
    """Return the node that serves the page."""
    given: dict[str, Any] = {"use_sim_time": is_true(values, "use_sim_time")}
    if cameras := camera_topics(values):
        given["image_topics"] = cameras
        if values["image_transport"]:
            given["image_transport"] = values["image_transport"]
    return Node(
        executable="console_node",
        name="molmoact_console",
        parameters=[values["params_file"], typed(given)],
        on_exit=end_all_if_misconfigured,
        **process(values),
    )


def record(values: dict[str, str]) -> ExecuteProcess:
    """Return the recorder of what both nodes publish."""
    require_package("ros2bag", "launch argument 'record'")
    prefix = f"/{values['namespace'].strip('/')}/".replace("//", "/")
    topics = [prefix + topic for topic in RECORDED]
    return ExecuteProcess(cmd=["ros2", "bag", "record", *topics], output="screen")


def actions(values: dict[str, str], context: LaunchContext) -> list[Action]:
    """Return everything that the arguments ask for."""
    if values["nodes"] not in ("both", "policy", "executor"):
        raise LaunchError("launch argument 'nodes' is both, policy or executor")
    values = with_measured_state(values)
    made: list[Action] = [
        SetEnvironmentVariable(name, value) for name, value in image_settings().items()
    ]
    if values["nodes"] != "executor":
        made.append(policy(values, context))
    if values["nodes"] != "policy":
        made.append(executor(values, context))
    if is_true(values, "rviz"):
        made.append(view(values))
    if is_true(values, "console"):
        made.append(console(values))
    if is_true(values, "record"):
        made.append(record(values))
    return made


def generate_launch_description() -> LaunchDescription:
    """Return the description."""
    return description(ARGUMENTS, actions)
