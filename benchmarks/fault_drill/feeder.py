# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The feeder's process: publishes action chunks, good and forged ones, as a policy would.

Arguments: ROBOT.yaml NODE [sim].
"""

from __future__ import annotations

import array
import contextlib
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from molmoact_ros.msg import ActionChunk
from rclpy.parameter import Parameter

from .chunk_bytes import serialize
from .limits import read_limits
from .pipes import answer_requests
from .robot import read_robot

FIRST = 1000  # sequence number


@dataclass(frozen=True)
class Feed:
    """What is published.

    Attributes:
        rate: Chunks per s; 0: none.
        velocity: Of the robot's axes, m/s and rad/s; may be shorter than them.
        flip: Chunks after which the direction turns; 0: never.
        rows: Of each chunk.
        period: s per row.
        offset: s by which stamps are shifted.
        sequence: "count", "random" or "constant".
        garbage: Share of chunks with one random fault.
        changes: Fields of the message that are set to other values.
        names: Number of names that the bytes of the message claim and hold; 0: as they are.
        values: The same of values.
    """

    rate: float = 0.0
    velocity: tuple[float, ...] = ()
    flip: int = 0
    rows: int = 8
    period: float = 0.1
    offset: float = 0.0
    sequence: str = "count"
    garbage: float = 0.0
    changes: dict[str, Any] = field(default_factory=dict)
    names: int = 0
    values: int = 0


class Feeder:
    """A policy over DDS."""

    def __init__(self, path: Path, node: str, simulated: bool) -> None:
        self._robot = read_robot(path)
        parameters = [Parameter("use_sim_time", value=simulated)]
        self._node = rclpy.create_node("fault_drill_feeder", parameter_overrides=parameters)
        self._publisher = self._node.create_publisher(ActionChunk, f"{node}/action_chunk", 10)
        self._feed = Feed()
        self._changed = threading.Event()
        self._lock = threading.Lock()
        self._sequence = FIRST
        self.published = 0
        self._random = np.random.default_rng(1)
        self._reference = self._robot.home.copy()  # of absolute actions
        limits = read_limits(path)
        self._range = limits.low, limits.high

    def run(self) -> None:
        """Publish for ever."""
        due = time.monotonic()
        while rclpy.ok():
            feed = self._feed
            if feed.rate <= 0.0:
                self._changed.wait()
                self._changed.clear()
                due = time.monotonic()
                continue
            with self._lock:
                if feed is self._feed:
                    self._publish(feed)
            due = max(due + 1.0 / feed.rate, time.monotonic() - 1.0 / feed.rate)
            if self._changed.wait(max(0.0, due - time.monotonic())):
                self._changed.clear()

    def answer(self, request: dict[str, Any]) -> Any:
        """Feed from now on as requested, or publish some chunks at once (`times`)."""
        if request.pop("do", "feed") == "links":
            return {"links": self._publisher.get_subscription_count()}
        number, first = request.pop("times", 0), request.pop("first", None)
        feed = replace(Feed(), **request)
        with self._lock:
            if first is not None:
                self._sequence = first
            if number:
                for _ in range(number):
                    self._publish(feed)
            else:
                self._feed = feed
                if feed.rate <= 0.0:
                    self._reference = self._robot.home.copy()
        self._changed.set()
        return {"published": self.published, "sequence": self._sequence}

    def _publish(self, feed: Feed) -> None:
        message = self._message(feed)
        for name, value in feed.changes.items():
            if name == "frame_id":
                message.header.frame_id = value
            elif name == "stamp":
                message.header.stamp = Time(sec=value[0], nanosec=value[1])
            else:
                setattr(message, name, value)
        if self._random.random() < feed.garbage:
            self._spoil(message)
        self._sequence += feed.sequence == "count"
        self.published += 1
        if feed.names or feed.values:
            message = serialize(message, feed.names or None, feed.values or None)
        self._publisher.publish(message)

    def _message(self, feed: Feed) -> Any:
        robot = self._robot
        velocity = np.zeros(len(robot.axes))
        velocity[: len(feed.velocity)] = feed.velocity
        if feed.flip and self.published // feed.flip % 2:
            velocity = -velocity
        step = velocity * feed.period
        if robot.is_delta:
            rows = [robot.row(step)] * feed.rows
        else:
            targets = (self._reference + step * (i + 1) for i in range(feed.rows))
            rows = [robot.row(np.clip(target, *self._range)) for target in targets]
            ahead = self._reference + velocity / max(feed.rate, 1.0)
            self._reference = np.clip(ahead, *self._range)
        now = self._node.get_clock().now().nanoseconds + round(feed.offset * 1e9)
        message = ActionChunk(
            action_space=robot.space, names=list(robot.columns), horizon=feed.rows,
            dof=len(robot.columns), values=array.array("d", np.concatenate(rows).tobytes()),
            step_period=feed.period, sequence=self._number(feed), valid=True,
            confidence=float("nan"),
        )  # fmt: skip
        message.header.frame_id = robot.frame
        message.header.stamp = Time(sec=max(now, 0) // 10**9, nanosec=max(now, 0) % 10**9)
        return message

    def _number(self, feed: Feed) -> int:
        return int(self._random.integers(2**63)) if feed.sequence == "random" else self._sequence

    def _spoil(self, message: Any) -> None:
        values, random = np.array(message.values), self._random
        fault = int(random.integers(8))
        if fault == 0:
            values[random.integers(len(values))] = random.choice([np.nan, np.inf, -np.inf])
        elif fault == 1:
            values = values[:-1]
        elif fault == 2:
            message.names = [*message.names[:-1], "nobody"]
        elif fault == 3:
            message.step_period = float(random.choice([0.0, -1.0, np.nan, np.inf, 1e-9]))
        elif fault == 4:
            message.header.stamp = Time()
        elif fault == 5:
            message.valid = False
        elif fault == 6:
            message.action_space = ""
        else:
            message.horizon, message.dof = 2**32 - 1, 2**32 - 1
        message.values = array.array("d", values.tobytes())


def _spin(executor: rclpy.executors.Executor) -> None:
    while rclpy.ok():
        # rclpy refuses the negative times that a drill publishes on /clock.
        with contextlib.suppress(ValueError):
            executor.spin_once(timeout_sec=0.1)


def main() -> None:
    """Feed until the pipe is closed."""
    rclpy.init()
    feeder = Feeder(Path(sys.argv[1]), sys.argv[2], "sim" in sys.argv[3:])
    executor = rclpy.executors.SingleThreadedExecutor()
    executor.add_node(feeder._node)
    threading.Thread(target=_spin, args=(executor,), daemon=True).start()
    threading.Thread(target=feeder.run, daemon=True).start()
    answer_requests(feeder.answer)


if __name__ == "__main__":
    main()
