# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Commands, and what takes the messages that an output makes of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy

from molmoact_ros.control import Command, Pose, Preview, RobotProfile
from molmoact_ros.yaml_config import build

PATIENCE = 60.0  # s; the machine may be busy
# An executor in this process must not give real-time priority to all of it.
ORDINARY = ["--ros-args", "-p", "realtime_priority:=0"]


def profile(outputs: dict[str, Any], joints: bool = False) -> RobotProfile:
    limit = {"speed": 1.0, "acceleration": 1.0, "max_step": 1.0, "max_following_error": 1.0}
    if joints:
        action = {"space": "joint_delta", "columns": ["a", "b"], "joints": ["a", "b"]}
        limits: dict[str, Any] = {
            "joints": {name: {"min": -1.0, "max": 1.0} | limit for name in ("a", "b")}
        }
    else:
        action = {"space": "ee_delta", "columns": ["x", "y", "z"]}
        limits = {"linear": limit, "workspace": {"min": [0, 0, 0], "max": [1, 1, 1]}}
    keys = {"robot": "r", "frame": "base", "action": action, "limits": limits, "outputs": outputs}
    return build(RobotProfile, keys)


def until(node: Any, ready: Callable[[], Any], what: str, tick: Callable[[], Any] = bool) -> None:
    """Spin, calling `tick`, until `ready()` is true."""
    deadline = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < deadline, f"waited {PATIENCE} s for {what}"
        tick()
        rclpy.spin_once(node, timeout_sec=0.05)


def received(node: Any, kind: type, topic: str, publish: Callable[[], Any]) -> Any:
    """Return the first message on a topic."""
    messages: list[Any] = []
    subscription = node.create_subscription(kind, topic, messages.append, 10)
    until(node, lambda: messages, topic, publish)
    node.destroy_subscription(subscription)
    return messages[0]


ARM = Command(
    12.5,
    np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
    Pose(np.array([0.5, 0.6, 0.7]), np.array([0.0, 0.0, 1.0, 0.0])),
)
JOINTS = Command(
    12.5, np.array([0.1, -0.2]), np.array([0.3, 0.4]),
    preview=Preview(
        times=np.array([0.05, 0.1]),
        positions=np.array([[0.31, 0.38], [0.32, 0.37]]),
        velocities=np.array([[0.1, -0.2], [0.0, 0.0]]),
    ),
)  # fmt: skip
