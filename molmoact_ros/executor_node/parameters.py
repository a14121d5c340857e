# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The executor node's parameters, and the robot profile that they name."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from molmoact_ros.control import ProfileError, RobotProfile, load_profile
from molmoact_ros.control.robot_profile import robot_path
from molmoact_ros.ros.parameters import parameter
from molmoact_ros.ros.running import StartError


@dataclass(frozen=True)
class ExecutorParameters:
    """Parameters of the node."""

    robot: str = parameter("tabletop", "Robot profile: a name in config/robots, or a YAML file.")
    enable_on_start: bool = parameter(
        False, "Enable motion without a call of ~/enable, as soon as all inputs are healthy."
    )
    require_approval: bool = parameter(
        False, "Execute a chunk only after ~/approve; also true where the profile sets it."
    )
    execute_steps: int = parameter(
        0, "Rows of each chunk that are executed at most; 0: as in the profile.", limits=(0, 1000),
    )  # fmt: skip
    action_scale: float = parameter(
        1.0,
        "Factor on all motion, on top of the profile's scale; only for delta action spaces. A "
        "change holds from the next chunk on.",
        limits=(0.01, 10.0),
        read_only=False,
    )
    min_confidence: float = parameter(
        0.0,
        "Chunks with less confidence, or without any, are refused; 0: as in the profile. A change "
        "holds from the next chunk on.",
        limits=(0.0, 1.0),
        read_only=False,
    )
    realtime_priority: int = parameter(
        10,
        "SCHED_FIFO priority, where the system permits it; 0: an ordinary process.",
        limits=(0, 99),
    )
    operator_heartbeat: float = parameter(
        0.0,
        "Longest time without a message on ~/operator_heartbeat; then motion is disabled, until "
        "~/enable is called. 0: nobody has to look on.",
        unit="s",
        limits=(0.0, 10.0),
    )
    teleop_timeout: float = parameter(
        0.2,
        "Longest time without a person's command on ~/teleop or ~/teleop_joints, and largest age "
        "of one; then the motion is ramped down.",
        unit="s",
        limits=(0.05, 2.0),
    )
    teleop_pause: float = parameter(
        1.0,
        "Time after a person's motion has ended until the policy goes on: chunks from images "
        "before that are refused.",
        unit="s",
        limits=(0.0, 60.0),
    )
    autostart: bool = parameter(
        True, "Configure and activate without a supervisor; motion is off until ~/enable."
    )


def read_profile(parameters: ExecutorParameters) -> RobotProfile:
    """Return the robot profile as its file has it.

    Raises:
        StartError: There is none, or it is refused.
    """
    try:
        return load_profile(robot_path(parameters.robot))
    except ProfileError as error:
        raise StartError(f"parameter 'robot': {error}") from error


def adapted_profile(profile: RobotProfile, parameters: ExecutorParameters) -> RobotProfile:
    """Return a profile with the parameters' changes.

    Raises:
        StartError: A parameter does not fit the profile.
    """
    execution = profile.execution
    execution = dataclasses.replace(
        execution,
        require_approval=execution.require_approval or parameters.require_approval,
        execute_steps=parameters.execute_steps or execution.execute_steps,
        min_confidence=parameters.min_confidence or execution.min_confidence,
    )
    scale = profile.action.scale * parameters.action_scale
    try:
        action = dataclasses.replace(profile.action, scale=scale)
    except ProfileError as error:
        raise StartError(f"parameter 'action_scale': {error.problem}") from error
    return dataclasses.replace(profile, execution=execution, action=action)


def robot_profile(parameters: ExecutorParameters) -> RobotProfile:
    """Return the robot profile that the parameters name, with their changes.

    Raises:
        StartError: There is none, it is refused, or a parameter does not fit it.
    """
    return adapted_profile(read_profile(parameters), parameters)
