# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the executor publishes about itself: its status, and whether a person moves the arm."""

from __future__ import annotations

import math

from rclpy.node import Node
from std_msgs.msg import Bool, Header

from molmoact_ros.control import Status
from molmoact_ros.msg import ExecutorStatus
from molmoact_ros.ros import qos
from molmoact_ros.ros.conversions import time_message

from .loop import LoopStatistics


class Reports:
    """Publishers of `~/status` and `~/human`."""

    def __init__(self, node: Node, frame: str) -> None:
        """Create them; `frame` is that of the commands."""
        self._frame = frame
        self._status = node.create_publisher(ExecutorStatus, "~/status", qos.RESULT)
        self._human = node.create_publisher(Bool, "~/human", qos.LATCHED)

    def publish(self, status: Status, loop: LoopStatistics, now: float) -> None:
        """Publish both; a recording that misses one of them has the next."""
        self._human.publish(Bool(data=status.human))
        self._status.publish(
            ExecutorStatus(
                header=Header(stamp=time_message(max(now, 0.0)), frame_id=self._frame),
                state=int(status.state),
                reason=status.reason,
                awaiting_approval=status.awaiting_approval,
                sequence=status.sequence,
                step=status.step,
                steps_remaining=status.steps_remaining,
                confidence=math.nan if status.confidence is None else status.confidence,
                loop_rate=loop.rate,
                loop_jitter=loop.jitter,
                counter_names=list(status.counters),
                counter_values=list(status.counters.values()),
            )
        )
