# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The process of a person who takes over: publishes twists, good and forged ones.

Arguments: ROBOT.yaml NODE.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TwistStamped
from rclpy.qos import qos_profile_sensor_data

from .pipes import answer_requests
from .robot import read_robot


@dataclass(frozen=True)
class Push:
    """What is published.

    Attributes:
        rate: Commands per s; 0: none.
        velocity: m/s; may be shorter than three.
        garbage: Share of commands with one random fault.
    """

    rate: float = 0.0
    velocity: tuple[float, ...] = ()
    garbage: float = 0.0


class Person:
    """A joystick over DDS."""

    def __init__(self, path: Path, node: str) -> None:
        self._frame = read_robot(path).frame
        self._node = rclpy.create_node("fault_drill_person")
        self._publisher = self._node.create_publisher(
            TwistStamped, f"{node}/teleop", qos_profile_sensor_data
        )
        self._push = Push()
        self._changed = threading.Event()
        self._random = np.random.default_rng(2)
        self.published = 0

    def run(self) -> None:
        """Publish for ever."""
        due = time.monotonic()
        while rclpy.ok():
            push = self._push
            if push.rate <= 0.0:
                self._changed.wait()
                self._changed.clear()
                due = time.monotonic()
                continue
            self._publisher.publish(self._message(push))
            self.published += 1
            due = max(due + 1.0 / push.rate, time.monotonic() - 1.0 / push.rate)
            if self._changed.wait(max(0.0, due - time.monotonic())):
                self._changed.clear()

    def answer(self, request: dict[str, Any]) -> Any:
        """Push from now on as requested."""
        if request.pop("do", "push") == "links":
            return {"links": self._publisher.get_subscription_count()}
        self._push = replace(Push(), **request)
        self._changed.set()
        return {"published": self.published}

    def _message(self, push: Push) -> TwistStamped:
        now = self._node.get_clock().now().nanoseconds
        velocity = np.zeros(3)
        velocity[: len(push.velocity)] = push.velocity
        message = TwistStamped()
        message.header.frame_id = self._frame
        if self._random.random() < push.garbage:
            fault = int(self._random.integers(4))
            if fault == 0:
                velocity[0] = self._random.choice([np.nan, np.inf, -1e9, 1e300])
            elif fault == 1:
                message.header.frame_id = str(self._random.choice(["world", "f" * 5000]))
            elif fault == 2:
                now = 0
            else:
                now += int(self._random.choice([-(10**9), 10**9]))
        message.header.stamp = Time(sec=now // 10**9, nanosec=now % 10**9)
        linear = message.twist.linear
        linear.x, linear.y, linear.z = velocity.tolist()
        return message


def main() -> None:
    """Push until the pipe is closed."""
    rclpy.init()
    person = Person(Path(sys.argv[1]), sys.argv[2])
    threading.Thread(target=person.run, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        answer_requests(person.answer)


if __name__ == "__main__":
    main()
