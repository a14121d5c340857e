# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Simulator, policy and executor: the graph that scripts/demo.sh runs.

ros2 launch molmoact_ros demo.launch.py instruction:="reach the green block" seed:=3
ros2 service call /molmoact_executor/enable std_srvs/srv/SetBool "{data: true}"
"""

from pathlib import Path

from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import Action, LaunchContext, LaunchDescription
from molmoact_ros.dds import image_settings
from molmoact_ros.demo.graph import PACKAGE, default_checkpoint, demo_graph, share

ARGUMENTS = {
    "namespace": ("", "Namespace of all nodes."),
    "checkpoint": (str(default_checkpoint()), "Checkpoint directory."),
    "instruction": ("reach the red block", "What to do; empty: wait for ~/instruction."),
    "seed": ("1", "Places of blocks and gripper."),
    "params_file": (str(share() / "config" / "demo.yaml"), "Parameters of all three nodes."),
    "log_level": ("info", "Log level of the nodes."),
}


def _nodes(context: LaunchContext) -> list[Action]:
    values = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    graph = demo_graph(
        values["checkpoint"],
        int(values["seed"]),
        values["instruction"],
        Path(values["params_file"]),
    )
    settings = [SetEnvironmentVariable(name, value) for name, value in image_settings().items()]
    return settings + [
        Node(
            package=PACKAGE,
            executable=spec.executable,
            name=spec.name,
            namespace=values["namespace"],
            parameters=[
                *map(str, spec.parameter_files),
                # With the type, because launch would make a number of instruction:=7.
                {k: ParameterValue(v, value_type=type(v)) for k, v in spec.parameters.items()},
            ],
            remappings=list(spec.remappings.items()),
            arguments=["--ros-args", "--log-level", values["log_level"]],
            output="screen",
        )
        for spec in graph
    ]


def generate_launch_description() -> LaunchDescription:
    """Return the description."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=_nodes)])
