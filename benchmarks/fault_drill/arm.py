# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The arm's process: follows commands, reports its position, and misbehaves on request.

Arguments: ROBOT.yaml NODE [sim]. With `sim` it is also the simulator that publishes /clock.
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped, TwistStamped
from rclpy.executors import SingleThreadedExecutor
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from .arm_model import ArmModel, Faults
from .limits import read_limits
from .pipes import answer_requests, take_priority
from .robot import read_robot

PERIOD = 0.01  # s between two reports
DEPTH = 100
SIM_START = 1000.0  # s


@dataclass(frozen=True)
class Reports:
    """What is wrong with the arm's reports.

    Attributes:
        silent: There are none.
        repeat: The same message comes again and again.
        late: s that stamps lie in the past; negative: in the future.
        spoil: What takes the place of a value: "nan", "inf" or "zeros"; empty: nothing.
        jump: m or rad that all values are off.
        noise: Standard deviation, m or rad.
        frame: Of the poses; empty: the profile's.
        order: "reversed" or "shuffled" joints; empty: the profile's order.
        missing: Joints that are left out.
        extra: Further joints that do not belong to the robot.
        copies: Messages per report.
    """

    silent: bool = False
    repeat: bool = False
    late: float = 0.0
    spoil: str = ""
    jump: float = 0.0
    noise: float = 0.0
    frame: str = ""
    order: str = ""
    missing: int = 0
    extra: int = 0
    copies: int = 1


@dataclass(frozen=True)
class Timing:
    """What is wrong with the simulated clock.

    Attributes:
        factor: Simulated s per s; 0: it stands still.
        raw: A value that is published as it is, [sec, nanosec].
        silent: Nothing is published.
    """

    factor: float = 1.0
    raw: tuple[int, int] | None = None
    silent: bool = False


class Arm:
    """A robot over DDS."""

    def __init__(self, path: Path, node: str, simulated: bool) -> None:
        self._robot, self._limits = read_robot(path), read_limits(path)
        self._model = ArmModel(self._robot.home, self._limits.cartesian)
        self._reports, self._timing = Reports(), Timing()
        self._time: float | None = SIM_START if simulated else None
        self._lock = threading.Lock()  # guards the model and the settings
        self._last: Any = None
        self._random = np.random.default_rng(0)
        self._node = rclpy.create_node("fault_drill_arm")
        kind = PoseStamped if self._limits.cartesian else JointState
        topic = "ee_pose" if self._limits.cartesian else "joint_states"
        self._publisher = self._node.create_publisher(kind, f"{node}/{topic}", 10)
        self._clock = self._node.create_publisher(Clock, "/clock", 10) if simulated else None
        self._extra: list[str] = []
        self._topics: list[str] = []
        for output in self._limits.outputs:
            self._subscribe(output, f"{node}/{output.split()[0]}")

    def _subscribe(self, output: str, topic: str) -> None:
        kinds = {
            "twist": (TwistStamped, self._on_twist),
            "pose": (PoseStamped, self._on_pose),
            "joint_trajectory": (JointTrajectory, self._on_trajectory),
            "forward velocity": (Float64MultiArray, self._on_speeds),
            "forward position": (Float64MultiArray, self._on_positions),
        }
        if output == "joint_jog":
            from control_msgs.msg import JointJog

            kinds["joint_jog"] = (JointJog, self._on_jog)
        self._node.create_subscription(kinds[output][0], topic, kinds[output][1], DEPTH)
        self._topics.append(topic)

    def spin(self) -> None:
        """Follow commands for ever."""
        executor = SingleThreadedExecutor()
        executor.add_node(self._node)
        while rclpy.ok():
            executor.spin_once(timeout_sec=0.1)

    def report(self) -> None:
        """Report for ever."""
        following = time.monotonic()
        while rclpy.ok():
            with self._lock:
                self._tick()
            following = max(following + PERIOD, time.monotonic() - PERIOD)
            time.sleep(max(0.0, following - time.monotonic()))

    # Orders.

    def _velocity(self, values: Any, stamp: Any = None) -> None:
        with self._lock:
            at = self._now() if stamp is None else _seconds(stamp)
            self._model.follow_velocity(np.array(values, dtype=float), at)

    def _path(self, times: Any, positions: Any) -> None:
        with self._lock:
            self._model.follow_path(np.array(times, dtype=float), np.array(positions, dtype=float))

    def _on_twist(self, message: Any) -> None:
        v, w = message.twist.linear, message.twist.angular
        self._velocity([v.x, v.y, v.z, w.x, w.y, w.z], message.header.stamp)

    def _on_jog(self, message: Any) -> None:
        self._velocity(message.velocities, message.header.stamp)

    def _on_speeds(self, message: Any) -> None:
        self._velocity(message.data)

    def _on_positions(self, message: Any) -> None:
        self._path([self._now()], [message.data])

    def _on_pose(self, message: Any) -> None:
        p, q = message.pose.position, message.pose.orientation
        self._path([_seconds(message.header.stamp)], [[p.x, p.y, p.z, q.x, q.y, q.z, q.w]])

    def _on_trajectory(self, message: Any) -> None:
        start = _seconds(message.header.stamp)
        times = [start + _seconds(p.time_from_start) for p in message.points]
        self._path(times, [p.positions for p in message.points])

    # Reports.

    def _tick(self) -> None:
        if self._time is not None and self._clock is not None:
            self._time += PERIOD * self._timing.factor
            raw = self._timing.raw
            clock = _stamp(self._time) if raw is None else Time(sec=raw[0], nanosec=raw[1])
            if not self._timing.silent:
                self._clock.publish(Clock(clock=clock))
        reports = self._reports
        if reports.silent:
            return
        for _ in range(reports.copies):
            if not (reports.repeat and self._last is not None):
                self._last = self._message(self._now(), reports)
            self._publisher.publish(self._last)

    def _message(self, now: float, reports: Reports) -> Any:
        values = self._model.at(now)
        size = 3 if self._limits.cartesian else len(values)
        values[:size] += reports.jump + self._random.normal(0.0, reports.noise, size)
        if reports.spoil:
            values[:] = {"nan": np.nan, "inf": np.inf, "zeros": 0.0}[reports.spoil]
        stamp = _stamp(max(now - reports.late, 0.0))
        if self._limits.cartesian:
            message = PoseStamped()
            message.header.frame_id = reports.frame or self._limits.frame
            p, q = message.pose.position, message.pose.orientation
            p.x, p.y, p.z, q.x, q.y, q.z, q.w = (float(value) for value in values)
        else:
            message = self._joint_message(values, reports)
        message.header.stamp = stamp
        return message

    def _joint_message(self, values: np.ndarray, reports: Reports) -> Any:
        order = np.arange(len(values))
        if reports.order == "reversed":
            order = order[::-1]
        elif reports.order == "shuffled":
            order = self._random.permutation(order)
        order = order[: len(order) - reports.missing]
        if len(self._extra) != reports.extra:
            self._extra = [f"extra_{i}" for i in range(reports.extra)]
        names = [self._limits.joints[i] for i in order] + self._extra
        positions = values[order].tolist() + [0.0] * reports.extra
        return JointState(name=names, position=positions)

    def _now(self) -> float:
        return time.time() if self._time is None else self._time

    # Settings.

    def answer(self, request: dict[str, Any]) -> Any:
        """Change what a request names, and return the position.

        `faults`, `reports`, `timing` replace all settings of their kind; `put` moves the
        arm home at once, `jump_clock` shifts the simulated time by s. `links` is the number of
        executors that were found.
        """
        with self._lock:
            if "faults" in request:
                faults = dict(request["faults"])
                faults["drift"] = {int(k): v for k, v in faults.get("drift", {}).items()}
                faults["stuck"] = tuple(faults.get("stuck", ()))
                self._model.faults = Faults(**faults)
            if "reports" in request:
                self._reports = replace(Reports(), **request["reports"])
                self._last = None
            if "timing" in request:
                self._timing = replace(Timing(), **request["timing"])
            if self._time is not None:
                self._time += request.get("jump_clock", 0.0)
            if request.get("put"):
                self._model.put(self._robot.home)
            position = self._model.at(self._now()).tolist()
        topics = (self._node.count_publishers(topic) for topic in self._topics)
        # The recorder listens to the reports as well.
        links = min(self._publisher.get_subscription_count() - 1, *topics)
        return {"position": position, "links": links}


def _seconds(stamp: Any) -> float:
    return float(stamp.sec + stamp.nanosec * 1e-9)


def _stamp(seconds: float) -> Time:
    nanoseconds = round(seconds * 1e9)
    return Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)


def main() -> None:
    """Be an arm until the pipe is closed."""
    sys.setswitchinterval(0.0005)
    take_priority()  # also of the threads of DDS
    rclpy.init()
    arm = Arm(Path(sys.argv[1]), sys.argv[2], "sim" in sys.argv[3:])
    for loop in (arm.spin, arm.report):
        threading.Thread(target=loop, daemon=True).start()
    answer_requests(arm.answer)


if __name__ == "__main__":
    main()
