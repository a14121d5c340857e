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

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchContext, LaunchDescription

CONFIG = Path(get_package_share_directory("molmoact_ros")) / "config"
# x y z qx qy qz qw of the simulator's camera in its base frame, then the names of both.
TABLETOP_CAMERA = (
    "2.02 0.62 1.02 0.676611 0.569421 -0.300610 -0.357198 base_link camera_optical"
)
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


def _nodes(context: LaunchContext) -> list[Node]:
    values = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    namespace = values["namespace"]
    log = ["--ros-args", "--log-level", values["log_level"]]
    sim_time = ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)
    markers = Node(
        package="molmoact_ros",
        executable="markers_node",
        name="molmoact_markers",
        namespace=namespace,
        parameters=[values["params_file"], {"use_sim_time": sim_time}],
        remappings=[
            ("~/trajectory", "molmoact_policy/trajectory"),
            ("~/camera_info", values["camera_info"]),
            ("~/metric_depth", values["metric_depth"]),
        ],
        arguments=log,
        output="screen",
    )
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        name="molmoact_rviz",
        namespace=namespace,
        parameters=[{"use_sim_time": sim_time}],
        remappings=[
            (f"tabletop/{topic}", values[argument])
            for topic, argument in (
                ("camera/image", "image"),
                ("camera/camera_info", "camera_info"),
                ("ee_pose", "ee_pose"),
            )
        ],
        arguments=["-d", values["rviz_config"], "-f", values["fixed_frame"], *log],
        output="screen",
        condition=IfCondition(values["rviz"]),
    )
    return [markers, rviz, *_static_transform(values["camera_transform"])]


def _static_transform(text: str) -> list[Node]:
    """Return the publisher of a transform such as TABLETOP_CAMERA."""
    if text == "none":
        return []
    parts = text.split()
    if len(parts) != 9:
        raise ValueError(
            "launch argument 'camera_transform' needs x y z qx qy qz qw parent child, "
            f"has {len(parts)} parts: '{text}'"
        )
    *numbers, parent, child = parts
    names = ("--x", "--y", "--z", "--qx", "--qy", "--qz", "--qw")
    arguments = [word for pair in zip(names, numbers, strict=True) for word in pair]
    return [
        Node(
            package="tf2_ros",
            executable="static_transform_publisher",
            name="molmoact_camera_transform",
            arguments=[*arguments, "--frame-id", parent, "--child-frame-id", child],
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """Return the description."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=_nodes)])
