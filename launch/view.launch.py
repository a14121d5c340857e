# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""RViz with what the policy perceives and intends, and the trajectory in 3D.

    ros2 launch molmoact_ros view.launch.py
    ros2 launch molmoact_ros view.launch.py image:=/front/color/image_raw \
        camera_info:=/front/color/camera_info ee_pose:=/ee_pose params_file:=my_view.yaml \
        camera_transform:=none

Without arguments it fits demo.launch.py and scripts/demo.sh. All names are relative, so that
`namespace` suffices to look at one of several robots.
"""

from launch import Action, LaunchContext, LaunchDescription
from launch_ros.actions import Node

from molmoact_ros.launching.launch_file import (
    LaunchError,
    description,
    end_all_if_misconfigured,
    full_name,
    is_true,
    require_package,
)
from molmoact_ros.launching.start_checks import check_markers_node
from molmoact_ros.share import share

CONFIG = share() / "config"
# x y z qx qy qz qw of the simulator's camera in its base frame, then the names of both.
TABLETOP_CAMERA = "2.02 0.62 1.02 0.676611 0.569421 -0.300610 -0.357198 base_link camera_optical"
ARGUMENTS = {
    "namespace": ("", "Namespace of the nodes that are looked at."),
    "use_sim_time": ("false", "Use /clock."),
    "rviz": ("true", "Start RViz; false: only the markers."),
    "rviz_config": (str(CONFIG / "molmoact.rviz"), "RViz configuration."),
    "fixed_frame": ("base_link", "Fixed frame of RViz."),
    "params_file": (str(CONFIG / "view.yaml"), "Parameters of the markers node."),
    "image": ("tabletop/camera/image", "Images of the leading camera."),
    "camera_info": ("tabletop/camera/camera_info", "CameraInfo of the leading camera."),
    "metric_depth": ("metric_depth", "Image of a depth camera, for surface: depth."),
    "ee_pose": ("tabletop/ee_pose", "End effector's pose (PoseStamped)."),
    "camera_transform": (
        TABLETOP_CAMERA,
        "Static transform to publish: x y z qx qy qz qw parent child; none: TF has the camera.",
    ),
    "log_level": ("info", "Log level of the nodes."),
}


def actions(values: dict[str, str], context: LaunchContext) -> list[Action]:
    """Return all nodes, after a look at their settings."""
    use_sim_time = is_true(values, "use_sim_time")
    nodes = [markers(values, context, use_sim_time)]
    if is_true(values, "rviz"):
        nodes.append(rviz(values, use_sim_time))
    if values["camera_transform"] != "none":
        nodes.append(static_transform(values["camera_transform"]))
    return nodes


def markers(values: dict[str, str], context: LaunchContext, use_sim_time: bool) -> Node:
    """Return the node that projects the trajectory."""
    name = full_name(context, values["namespace"], "molmoact_markers")
    check_markers_node(name, values["params_file"])
    return Node(
        package="molmoact_ros",
        executable="markers_node",
        name="molmoact_markers",
        namespace=values["namespace"],
        parameters=[values["params_file"], {"use_sim_time": use_sim_time}],
        remappings=[
            ("~/trajectory", "molmoact_policy/trajectory"),
            ("~/camera_info", values["camera_info"]),
            ("~/metric_depth", values["metric_depth"]),
        ],
        arguments=["--ros-args", "--log-level", values["log_level"]],
        output="screen",
        on_exit=end_all_if_misconfigured,
    )


def rviz(values: dict[str, str], use_sim_time: bool) -> Node:
    """Return RViz with the topics of the robot."""
    require_package("rviz2", "launch argument 'rviz'")
    view = ["-d", values["rviz_config"], "-f", values["fixed_frame"]]
    return Node(
        package="rviz2",
        executable="rviz2",
        name="molmoact_rviz",
        namespace=values["namespace"],
        parameters=[{"use_sim_time": use_sim_time}],
        remappings=[
            (f"tabletop/{topic}", values[argument])
            for topic, argument in (
                ("camera/image", "image"),
                ("camera/camera_info", "camera_info"),
                ("ee_pose", "ee_pose"),
            )
        ],
        arguments=[*view, "--ros-args", "--log-level", values["log_level"]],
        output="screen",
    )


def static_transform(text: str) -> Node:
    """Return the publisher of a transform such as TABLETOP_CAMERA."""
    parts = text.split()
    if len(parts) != 9:
        raise LaunchError(
            "launch argument 'camera_transform' needs x y z qx qy qz qw parent child, "
            f"has {len(parts)} parts: '{text}'"
        )
    require_package("tf2_ros", "launch argument 'camera_transform'")
    *numbers, parent, child = parts
    names = ("--x", "--y", "--z", "--qx", "--qy", "--qz", "--qw")
    arguments = [word for pair in zip(names, numbers, strict=True) for word in pair]
    return Node(
        package="tf2_ros",
        executable="static_transform_publisher",
        name="molmoact_camera_transform",
        arguments=[*arguments, "--frame-id", parent, "--child-frame-id", child],
    )


def generate_launch_description() -> LaunchDescription:
    """Return the description."""
    return description(ARGUMENTS, actions)
