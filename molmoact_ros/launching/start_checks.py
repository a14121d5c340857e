# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Checks of files before a node starts; for launch files.

A node checks all of this itself, and more. Here it is known before another process has started.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from molmoact_ros.ros.parameters import (
    ParameterError,
    check_parameters,
    parameters_for,
    read_parameter_file,
)

Spec = TypeVar("Spec")

# The nodes that a parameter file of this package may have sections for.
_NODES = (
    "molmoact_policy", "molmoact_executor", "molmoact_markers", "molmoact_console", "tabletop",
)  # fmt: skip


def check_policy_node(full_name: str, params_file: str, given: Mapping[str, Any]) -> None:
    """Check what the policy node is about to be started with.

    Args:
        full_name: Of the node, with its namespace.
        params_file: Parameter file.
        given: Parameters that win over the file.

    Raises:
        ParameterError: File or parameters are not accepted.
        StartError: There is no such checkpoint, or the server's address is none.
    """
    from molmoact_ros.policy_node.loading import check_source
    from molmoact_ros.policy_node.parameters import PolicyParameters

    check_source(_parameters(PolicyParameters, full_name, params_file, given))


def check_executor_node(full_name: str, params_file: str, given: Mapping[str, Any]) -> None:
    """Check what the executor node is about to be started with, as `check_policy_node`.

    Raises:
        ParameterError: File or parameters are not accepted.
        StartError: There is no such robot profile, or it is not accepted.
    """
    from molmoact_ros.executor_node.parameters import ExecutorParameters, robot_profile

    robot_profile(_parameters(ExecutorParameters, full_name, params_file, given))


def check_simulator_node(full_name: str, params_file: str, given: Mapping[str, Any]) -> None:
    """Check what the simulator is about to be started with, as `check_policy_node`.

    Raises:
        ParameterError: File or parameters are not accepted.
    """
    from molmoact_ros.tabletop_node.node import TabletopParameters

    _parameters(TabletopParameters, full_name, params_file, given)


def check_markers_node(full_name: str, params_file: str) -> None:
    """Check what the markers node is about to be started with, as `check_policy_node`.

    Raises:
        ParameterError: File or parameters are not accepted.
    """
    from molmoact_ros.markers_node.node import MarkersParameters

    _parameters(MarkersParameters, full_name, params_file, {})


def _parameters(
    spec: type[Spec], full_name: str, params_file: str, given: Mapping[str, Any]
) -> Spec:
    try:
        sections = read_parameter_file(params_file, _NODES)
    except ParameterError as error:
        raise ParameterError(f"params_file: {error}") from error
    return check_parameters(spec, full_name, {**parameters_for(sections, full_name), **given})
