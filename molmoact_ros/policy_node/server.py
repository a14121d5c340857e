# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The policy of a server, as the parameters ask for it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from molmoact_ros.policy.checkpoint_profile import load_checkpoint_profile
from molmoact_ros.policy.interface import Policy
from molmoact_ros.remote.address import AddressError, ServerAddress
from molmoact_ros.ros.running import StartError
from molmoact_ros.yaml_config import ProfileError

from .parameters import PolicyParameters, action_format, camera_topics

if TYPE_CHECKING:
    from molmoact_ros.remote.policy import RobotSide

_MAX_NAME = 64  # characters


def server_address(parameters: PolicyParameters) -> ServerAddress:
    """Return the server's address with the robot's token.

    Raises:
        StartError: It is none, a file cannot be read, or a package is missing.
    """
    try:
        return ServerAddress.read(
            parameters.server, parameters.server_token_file, parameters.server_ca
        )
    except AddressError as error:
        raise StartError(f"parameter '{error.setting}': {error}") from error


def connect_policy(
    parameters: PolicyParameters,
    node: str,
    progress: Callable[[str], None],
    should_stop: Callable[[], bool],
    warn: Callable[[str], None] = lambda text: None,
) -> Policy:
    """Connect to the server; one that is not there yet is waited for.

    Args:
        parameters: Which one, and how it is asked.
        node: Full name of the node.
        progress: Called about ten times a second with why there is no connection.
        should_stop: Asked meanwhile.
        warn: Called with what is wrong and yet no reason to refuse.

    Raises:
        StartError: The server refuses the robot, or does not fit the parameters.
        StoppedError: `should_stop` returned true.
    """
    address = server_address(parameters)
    # Here, so that without a server its packages are not needed.
    from molmoact_ros.remote.line import RefusedError
    from molmoact_ros.remote.policy import RemotePolicy

    if address.exposes_token:
        warn(f"{address.url} is not encrypted, and the token can be read on the way: use wss://")
    try:
        policy = RemotePolicy.connect(address, _robot(parameters, node), progress, should_stop)
    except RefusedError as error:
        raise StartError(f"server '{address.url}': {error}") from error
    try:
        camera_topics(parameters, policy.profile)
        action_format(parameters, policy.profile, policy.stats)
        if parameters.instruction:
            policy.check_instruction(parameters.instruction)
    except ValueError as error:
        policy.close()
        raise StartError(f"parameter 'instruction': {error}") from error
    except StartError:
        policy.close()
        raise
    return policy


def _robot(parameters: PolicyParameters, node: str) -> RobotSide:
    from molmoact_ros.remote.policy import RobotSide
    from molmoact_ros.remote.wire import SessionSettings

    try:
        profile = load_checkpoint_profile(parameters.profile) if parameters.profile else None
    except ProfileError as error:
        raise StartError(f"parameter 'profile': {error}") from error
    return RobotSide(
        name=parameters.robot_name or f"{socket.gethostname()}{node}"[-_MAX_NAME:],
        profile=profile,
        cameras=parameters.cameras,
        action_space=parameters.action_space,
        action_names=parameters.action_names,
        settings=SessionSettings(
            unnorm_key=parameters.unnorm_key,
            rows=parameters.rows,
            max_new_tokens=parameters.max_new_tokens,
            action_decoding=parameters.action_decoding,
            constrained=parameters.constrained,
            max_overruled=parameters.max_overruled,
        ),
        images=parameters.server_images,
        timeout=parameters.server_timeout,
    )
