# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Simulator, policy and executor: the graph that scripts/demo.sh runs.

ros2 launch molmoact_ros demo.launch.py instruction:="reach the green block" seed:=3
ros2 service call /molmoact_executor/enable std_srvs/srv/SetBool "{data: true}"
"""

from pathlib import Path

from launch import Action, LaunchContext, LaunchDescription
from launch.actions import SetEnvironmentVariable
from launch_ros.actions import Node

from molmoact_ros.demo.graph import (
    CONSOLE,
    EXECUTOR,
    PACKAGE,
    POLICY,
    SIMULATOR,
    console_spec,
    default_checkpoint,
    demo_graph,
)
from molmoact_ros.launching.dds import image_settings
from molmoact_ros.launching.launch_file import (
    LaunchError,
    description,
    end_all,
    end_all_if_misconfigured,
    full_name,
    is_true,
    typed,
)
from molmoact_ros.launching.start_checks import (
    check_executor_node,
    check_policy_node,
    check_simulator_node,
)
from molmoact_ros.share import share

ARGUMENTS = {
    "namespace": ("", "Namespace of all nodes."),
    "checkpoint": (str(default_checkpoint()), "Checkpoint directory."),
    "instruction": ("reach the red block", "What to do; empty: wait for ~/instruction."),
    "seed": ("1", "Seed of the positions of blocks and gripper."),
    "params_file": (str(share() / "config" / "demo.yaml"), "Parameters of all three nodes."),
    "console": ("false", "Serve a web page to see, instruct and stop the robot (console_node)."),
    "log_level": ("info", "Log level of the nodes."),
}
CHECKS = {SIMULATOR: check_simulator_node, POLICY: check_policy_node, EXECUTOR: check_executor_node}


def seed(values: dict[str, str]) -> int:
    """Return the seed."""
    try:
        return int(values["seed"])
    except ValueError:
        raise LaunchError(
            f"launch argument 'seed' is a whole number, not '{values['seed']}'"
        ) from None


def actions(values: dict[str, str], context: LaunchContext) -> list[Action]:
    """Return the nodes, after a look at their settings."""
    file, namespace = values["params_file"], values["namespace"]
    graph = demo_graph(values["checkpoint"], seed(values), values["instruction"], Path(file))
    for spec in graph:
        CHECKS[spec.name](full_name(context, namespace, spec.name), file, spec.parameters)
    settings = [SetEnvironmentVariable(name, value) for name, value in image_settings().items()]
    if is_true(values, "console"):
        graph = (*graph, console_spec(Path(file)))
    return settings + [
        Node(
            package=PACKAGE,
            executable=spec.executable,
            name=spec.name,
            namespace=namespace,
            parameters=[*map(str, spec.parameter_files), typed(spec.parameters)],
            remappings=list(spec.remappings.items()),
            arguments=["--ros-args", "--log-level", values["log_level"]],
            output="screen",
            on_exit=end_all_if_misconfigured if spec.name == CONSOLE else end_all,
        )
        for spec in graph
    ]


def generate_launch_description() -> LaunchDescription:
    """Return the description."""
    return description(ARGUMENTS, actions)
