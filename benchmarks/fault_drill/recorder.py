# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The recorder's process: notes every command over DDS, and judges when it is asked.

Arguments: ROBOT.yaml NODE.
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import PoseStamped, TwistStamped
from molmoact_ros.msg import ExecutorStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.subscription import Subscription
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from .judge import VELOCITIES, Expectations, judge
from .limits import Limits, read_limits
from .pipes import answer_requests, take_priority
from .record import Preview, Record, Samples

DEPTH = 2000  # messages; what the recorder is late for is not lost
_HAS_INFO = hasattr(Subscription, "CallbackType")  # since Iron: callbacks may learn the publisher
_NAN = float("nan")


class Recorder:
    """Notes what an executor publishes and what it receives about the robot."""

    def __init__(self, limits: Limits, node: str) -> None:
        self.record = Record()
        self._limits = limits
        self._node = rclpy.create_node("fault_drill_recorder")
        self._topics: list[str] = []
        for kind in limits.outputs:
            self._subscribe(kind, f"{node}/{kind.split()[0]}")
        if limits.gripper is not None:
            self._subscribe("gripper", f"{node}/gripper")
        listen = functools.partial(self._node.create_subscription, qos_profile=DEPTH)
        if limits.cartesian:
            listen(PoseStamped, f"{node}/ee_pose", callback=self._on_measured_pose)
        else:
            listen(JointState, f"{node}/joint_states", callback=self._on_measured_joints)
        listen(ExecutorStatus, f"{node}/status", callback=self._on_status)

    def spin(self) -> None:
        """Take messages for ever."""
        executor = SingleThreadedExecutor()
        executor.add_node(self._node)
        while rclpy.ok():
            executor.spin_once(timeout_sec=0.1)

    def _subscribe(self, kind: str, topic: str) -> None:
        message, values = _KINDS[kind]
        if kind == "joint_jog":
            from control_msgs.msg import JointJog

            message = JointJog

        def take(received: Any, info: Any) -> None:
            publisher = str(info["publisher_gid"]["data"]) if "publisher_gid" in info else ""
            if kind == "joint_trajectory":
                self._add_preview(received, publisher)
                return
            samples = self.record.commands.setdefault((kind, publisher), Samples())
            self._add(samples, received, values(received))

        callback: Any = take if _HAS_INFO else (lambda received: take(received, {}))
        self._node.create_subscription(message, topic, callback, DEPTH)
        self._topics.append(topic)

    def _add(self, samples: Samples, message: Any, values: Sequence[float]) -> None:
        header = getattr(message, "header", None)
        if header is not None:
            samples.frames.add(header.frame_id)
        stamp = _NAN if header is None else header.stamp.sec + header.stamp.nanosec * 1e-9
        samples.add(time.monotonic(), stamp, list(values))

    def _add_preview(self, message: Any, publisher: str) -> None:
        points = message.points
        times = [p.time_from_start.sec + p.time_from_start.nanosec * 1e-9 for p in points]
        self.record.previews.setdefault(publisher, []).append(
            Preview(
                time.monotonic(),
                message.header.stamp.sec + message.header.stamp.nanosec * 1e-9,
                np.array(times),
                np.array([p.positions for p in points], dtype=float),
                np.array([p.velocities for p in points], dtype=float),
            )
        )

    def _on_measured_pose(self, message: Any) -> None:
        self._add(self.record.measured, message, _pose(message))

    def _on_measured_joints(self, message: Any) -> None:
        places = {name: i for i, name in enumerate(message.name)}
        if all(joint in places for joint in self._limits.joints):
            values = [message.position[places[joint]] for joint in self._limits.joints]
            self._add(self.record.measured, message, values)

    def _on_status(self, message: Any) -> None:
        self.record.states.append((time.monotonic(), message.state))

    # Questions.

    def answer(self, request: dict[str, Any]) -> Any:
        """Answer a line of the drill."""
        questions: dict[str, Callable[..., Any]] = {
            "judge": self._judge, "speed": self._speed, "stops": self._stops,
            "gaps": self._gaps, "links": self._links,
        }  # fmt: skip
        return questions[request.pop("do")](**request)

    def _judge(self, **expect: bool) -> Any:
        record = dataclasses.replace(  # the node's thread adds to the other one
            self.record, commands=dict(self.record.commands), previews=dict(self.record.previews)
        )
        return dataclasses.asdict(judge(record, self._limits, Expectations(**expect)))

    def _links(self) -> dict[str, Any]:
        """Return the least number of publishers of a topic, and whether commands come."""
        last = [samples.received[-1] for samples in list(self.record.commands.values())]
        receives = bool(last) and time.monotonic() - max(last) < 0.2
        return {
            "links": min(self._node.count_publishers(topic) for topic in self._topics),
            "receives": receives or self._limits.outputs == ("joint_trajectory",),
        }

    def _speed(self) -> float:
        """Return the largest present speed of all groups as a share of its limit."""
        shares = [0.0]
        for (kind, _), samples in list(self.record.commands.items()):
            if kind == "gripper" or len(samples.received) < 2:
                continue
            if time.monotonic() - samples.received[-1] > 0.2:
                continue
            velocity = np.array(samples.values[-1])
            if kind not in VELOCITIES:
                size = 3 if self._limits.cartesian else len(velocity)
                velocity = (velocity - samples.values[-2])[:size] * self._limits.rate
            for group in self._limits.groups:
                part = velocity[group.part]
                shares.append(float(np.linalg.norm(part)) / group.speed)
        for previews in list(self.record.previews.values()):
            speeds = np.abs(previews[-1].velocities[0])
            shares += [float(v) / g.speed for v, g in zip(speeds, self._limits.groups, strict=True)]
        return max(shares)

    def _stops(self, calls: Sequence[float]) -> list[list[float | None]]:
        """Return for each call how long after it the last motion and the first rest came, s.

        The first rest is the one that no motion follows before the next call; None: there is none.
        """
        (samples,) = (s for (kind, _), s in list(self.record.commands.items()) if kind == "twist")
        series, ends = samples.series(), [*calls[1:], np.inf]
        moving: np.ndarray = (series.values != 0.0).any(axis=1)
        stops: list[list[float | None]] = []
        for call, end in zip(calls, ends, strict=True):
            begin = int(np.searchsorted(series.received, call))
            # The next motion begins after a silence.
            silences = np.flatnonzero(np.diff(series.received[begin:]) > 0.2) + begin + 1
            stop = int(silences[0]) if len(silences) else len(series)
            stop = min(stop, int(np.searchsorted(series.received, end)))
            last = np.flatnonzero(moving[begin:stop])
            rest = begin + int(last[-1]) + 1 if len(last) else begin
            stops.append(
                [
                    float(series.received[begin + last[-1]] - call) if len(last) else 0.0,
                    float(series.received[rest] - call) if rest < stop else None,
                ]
            )
        return stops

    def _gaps(self, since: float, until: float) -> dict[str, float]:
        """Return the longest times between two commands, s, and their number per s."""
        longest = {"received": 0.0, "stamps": 0.0, "rate": 0.0}
        for (kind, _), samples in list(self.record.commands.items()):
            if kind == "gripper":
                continue
            begin = bisect.bisect_left(samples.received, since)
            end = bisect.bisect_left(samples.received, until)
            for name in ("received", "stamps"):
                steps = np.diff(getattr(samples, name)[begin:end])
                longest[name] = max(longest[name], float(np.max(steps, initial=0.0)))
            longest["rate"] = max(longest["rate"], (end - begin) / (until - since))
        return longest


def _pose(message: Any) -> list[float]:
    p, q = message.pose.position, message.pose.orientation
    return [p.x, p.y, p.z, q.x, q.y, q.z, q.w]


def _twist(message: Any) -> list[float]:
    v, w = message.twist.linear, message.twist.angular
    return [v.x, v.y, v.z, w.x, w.y, w.z]


_KINDS: dict[str, tuple[Any, Callable[[Any], Sequence[float]]]] = {
    "twist": (TwistStamped, _twist),
    "pose": (PoseStamped, _pose),
    "joint_jog": (None, lambda message: message.velocities),
    "joint_trajectory": (JointTrajectory, list),
    "forward velocity": (Float64MultiArray, lambda message: message.data),
    "forward position": (Float64MultiArray, lambda message: message.data),
    "gripper": (Float64MultiArray, lambda message: message.data),
}


def main() -> None:
    """Record until the pipe is closed."""
    take_priority()  # also of the threads of DDS
    rclpy.init()
    recorder = Recorder(read_limits(Path(sys.argv[1])), sys.argv[2])
    threading.Thread(target=recorder.spin, daemon=True).start()
    answer_requests(recorder.answer)


if __name__ == "__main__":
    main()
