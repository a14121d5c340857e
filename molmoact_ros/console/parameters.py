# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The console's parameters."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from molmoact_ros.ros.parameters import parameter
from molmoact_ros.ros.running import StartError

MAX_CAMERAS = 6


@dataclass(frozen=True)
class ConsoleParameters:
    """Parameters of the node."""

    policy: str = parameter(
        "molmoact_policy", "Name of the policy node; relative: in the console's namespace."
    )
    executor: str = parameter(
        "molmoact_executor", "Name of the executor node; relative: in the console's namespace."
    )
    image_topics: tuple[str, ...] = parameter(
        (),
        "Image topics, the policy's first camera first: the page draws on that one. Empty: the "
        "only image topic that the policy subscribes to.",
    )
    image_transport: str = parameter(
        "raw",
        "Kind of the image messages of image_topics: Image or CompressedImage.",
        choices=("raw", "compressed"),
    )
    picture_rate: float = parameter(
        10.0, "Pictures per second and camera that a page gets at most.", unit="Hz",
        limits=(0.5, 30.0),
    )  # fmt: skip
    address: str = parameter(
        "127.0.0.1",
        "IP address to listen on; 0.0.0.0: all. Any but this machine's own loopback needs the "
        "token that is printed at start.",
    )
    port: int = parameter(8090, "TCP port.", limits=(1, 65535))
    hosts: tuple[str, ...] = parameter(
        (),
        "Host names under which the page is opened, e.g. that of a reverse proxy; IP addresses "
        "and localhost need not be named.",
    )
    operators: bool = parameter(
        True, "Pages may command; false: they only show, and cannot even halt."
    )
    quick_picks: tuple[str, ...] = parameter((), "Instructions that the page offers as buttons.")

    @property
    def is_local(self) -> bool:
        """Whether only this machine can connect."""
        return ipaddress.ip_address(self.address).is_loopback


def check(parameters: ConsoleParameters) -> None:
    """Refuse what ROS's own checks do not see.

    Raises:
        StartError: The address is none, or there are too many cameras.
    """
    try:
        ipaddress.ip_address(parameters.address)
    except ValueError:
        raise StartError(
            f"parameter 'address': '{parameters.address}' is no IP address such as 127.0.0.1"
        ) from None
    if len(parameters.image_topics) > MAX_CAMERAS:
        raise StartError(
            f"parameter 'image_topics': {len(parameters.image_topics)} topics, "
            f"at most {MAX_CAMERAS} are shown"
        )
