# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""For launch files: what is wrong is refused before a process starts, and all ends together.

launch forgets the processes that it has just started when an action beside them raises: they go on
without a parent. So nothing here raises while actions are made; a failure is an event of its own,
after which launch ends every process and returns exit code 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from ament_index_python.packages import get_packages_with_prefixes
from launch import Action, LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, TimerAction
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.utilities import make_namespace_absolute, prefix_namespace

from molmoact_ros.ros.parameters import ParameterError
from molmoact_ros.ros.running import CONFIGURATION_ERROR, StartError
from molmoact_ros.yaml_config import ProfileError

Arguments = Mapping[str, tuple[str, str]]
"""Default and description of each launch argument."""


class LaunchError(ValueError):
    """A launch argument is wrong, or something that it needs is missing."""


def description(
    arguments: Arguments, make: Callable[[dict[str, str], LaunchContext], Sequence[Action]]
) -> LaunchDescription:
    """Return the description of a launch file.

    Args:
        arguments: That the file takes.
        make: Returns all actions, from the arguments' values; what it refuses (`LaunchError`,
            `ParameterError`, `StartError`, `ProfileError`) ends launch before any of them.
    """

    def actions(context: LaunchContext) -> Sequence[Action]:
        values = {name: LaunchConfiguration(name).perform(context) for name in arguments}
        try:
            return make(values, context)
        except (LaunchError, ParameterError, StartError, ProfileError) as error:
            return [_failure(str(error))]

    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in arguments.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=actions)])


def end_all(event: ProcessExited, context: LaunchContext) -> list[Action]:
    """End launch; for `on_exit` of a node without which the others are of no use."""
    if event.returncode == 0 or context.is_shutdown:
        return []
    return [_failure(f"{event.process_name} has ended with exit code {event.returncode}")]


def end_all_if_misconfigured(event: ProcessExited, context: LaunchContext) -> list[Action]:
    """End launch only when the node's settings are wrong; for `on_exit` of a viewer."""
    return end_all(event, context) if event.returncode == CONFIGURATION_ERROR else []


def is_true(values: Mapping[str, str], name: str) -> bool:
    """Return the value of a switch.

    Raises:
        LaunchError: It is neither true nor false.
    """
    if values[name].lower() not in ("true", "false"):
        raise LaunchError(f"launch argument '{name}' is true or false, not '{values[name]}'")
    return values[name].lower() == "true"


def require_package(package: str, needed_by: str) -> None:
    """Refuse what needs a package that is not installed.

    Raises:
        LaunchError: It is not; the text names the command that installs it.
    """
    if package not in get_packages_with_prefixes():
        apt = f"ros-$ROS_DISTRO-{package.replace('_', '-')}"
        raise LaunchError(f"{needed_by} needs {package}: sudo apt install {apt}")


def typed(given: Mapping[str, object]) -> dict[str, ParameterValue]:
    """Return parameters that keep their type: launch would make a number of instruction:=7."""
    kinds = {name: list[str] if isinstance(v, list) else type(v) for name, v in given.items()}
    return {
        name: ParameterValue(value, value_type=kinds[name])  # type: ignore[arg-type]
        for name, value in given.items()
    }


def full_name(context: LaunchContext, namespace: str, node: str) -> str:
    """Return a node's full name, with the namespaces of the groups around it."""
    around = context.launch_configurations.get("ros_namespace")
    inside = make_namespace_absolute(prefix_namespace(around, namespace)) or "/"
    return f"{inside.rstrip('/')}/{node}"


def _failure(reason: str) -> Action:
    """Return an action that ends launch with exit code 1, when others have begun to be known."""

    def fail(context: LaunchContext) -> NoReturn:
        raise LaunchError(reason)

    return TimerAction(period=0.0, actions=[OpaqueFunction(function=fail)])
