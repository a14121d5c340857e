# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the demonstration's nodes publish; pytest and mypy find this module by pyproject.toml."""

from __future__ import annotations

from typing import Any

import numpy as np
from geometry_msgs.msg import PoseArray, PoseStamped, TwistStamped
from molmoact_ros.msg import ActionReasoning, ExecutorStatus

from molmoact_ros.demo.graph import EXECUTOR, POLICY, SIMULATOR
from molmoact_ros.ros import qos
from molmoact_ros.sim import Tabletop


class DemoTopics:
    """Lists that grow with the messages of the graph, and what the newest of them mean."""

    def __init__(self, client: Any) -> None:
        self.client = client
        listen = client.listen
        self.twists = listen(TwistStamped, f"{SIMULATOR}/twist", qos.COMMAND)
        self.states = listen(ExecutorStatus, f"{EXECUTOR}/status", qos.RESULT)
        self.reasonings = listen(ActionReasoning, f"{POLICY}/reasoning", qos.RESULT)
        self.poses = listen(PoseStamped, f"{SIMULATOR}/ee_pose", qos.COMMAND)
        self.blocks = listen(PoseArray, f"{SIMULATOR}/blocks", qos.COMMAND)

    def state(self) -> int | None:
        """Return the executor's state."""
        return self.states[-1].state if self.states else None

    def place(self, color: str | None = None) -> np.ndarray:
        """Return where a block, or without a colour the gripper, is, m."""
        pose = self.blocks[-1].poses[Tabletop.colors.index(color)] if color else self.poses[-1].pose
        return np.array([pose.position.x, pose.position.y, pose.position.z])

    def distance(self, color: str) -> float:
        """Return the gripper's distance to a block, m."""
        return float(np.linalg.norm(self.place() - self.place(color)))

    def speed(self) -> float:
        """Return the speed of the last command, m/s."""
        linear = self.twists[-1].twist.linear if self.twists else None
        return 0.0 if linear is None else float(np.hypot(np.hypot(linear.x, linear.y), linear.z))
