# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Services of a node that has just been discovered."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rcl_interfaces.srv import ListParameters
from rclpy.node import Node

_LOST = 1.0  # s after which an answer counts as lost and the question is asked again


def wait_until_known(
    node: Node, server: str, wait_for: Callable[[str, Callable[[], bool]], None]
) -> None:
    """Wait until a server knows all clients that a node has so far.

    Answers get lost while the server has not discovered the client, and nothing on the client's
    side shows when it has. It discovers clients in their order: when it answers a later one, it
    knows those before.

    Args:
        node: Has the clients.
        server: Name of the server's node; relative names are resolved as the node's.
        wait_for: Called with what is waited for, and a function that is true once it is there;
            spins `node` until then, or raises.
    """
    later = node.create_client(ListParameters, f"{server}/list_parameters")
    futures: list[Any] = []
    asked = 0.0

    def is_answered() -> bool:
        nonlocal asked
        if time.monotonic() > asked + _LOST:
            asked = time.monotonic()
            futures.append(later.call_async(ListParameters.Request()))
        return any(future.done() for future in futures)

    wait_for(f"service {server}/list_parameters", later.service_is_ready)
    wait_for(f"an answer of {server}", is_answered)
    node.destroy_client(later)
