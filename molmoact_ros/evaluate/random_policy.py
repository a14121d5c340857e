# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The baseline that moves without looking: random chunks in the range of the training data."""

from __future__ import annotations

import time

import numpy as np
from rclpy.node import Node

from molmoact_ros.answer import ActionStats
from molmoact_ros.demo.graph import POLICY
from molmoact_ros.msg import ActionChunk
from molmoact_ros.ros import qos

_NAMES = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")


class RandomPolicy:
    """Publishes chunks in the place of the policy node, one as soon as the last is over."""

    def __init__(self, node: Node, stats: ActionStats, rows: int, step_period: float) -> None:
        """Publish from ``node``; one random direction per chunk, drawn between q01 and q99."""
        self._node, self._stats, self._rows, self._period = node, stats, rows, step_period
        self._publisher = node.create_publisher(ActionChunk, f"{POLICY}/action_chunk", qos.RESULT)
        self._rng = np.random.default_rng(0)
        self._sequence = 0
        self._next = 0.0

    def __call__(self) -> None:
        """Publish when it is time to."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._rows * self._period
        self._sequence += 1
        row = self._rng.uniform(self._stats.q01, self._stats.q99)
        row[-1] = 0.0  # the gripper stays open
        message = ActionChunk(
            action_space="ee_delta",
            names=_NAMES,
            horizon=self._rows,
            dof=len(row),
            values=np.tile(row, self._rows).astype(np.float64).tolist(),
            step_period=self._period,
            sequence=self._sequence,
            unnorm_key=self._stats.key,
            valid=True,
            confidence=float("nan"),
        )
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.header.frame_id = "base_link"
        self._publisher.publish(message)
