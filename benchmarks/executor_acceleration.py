# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether two commands that follow each other keep the acceleration, as a driver would see it.

    python -m benchmarks.executor_acceleration [--seconds 60]

The executor runs as a process of its own, as a user starts it, and follows chunks to and fro; this
process is robot, policy and driver, and computes everything from the messages and the profile's
YAML. Stamped outputs are judged by their stamps, the others by the times of publication and of
arrival: there the figure is by how much too early a message came for its change. The robot runs
with real-time priority where that is permitted, as drivers do. Needs ROS.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import yaml
from geometry_msgs.msg import PoseStamped, TwistStamped
from molmoact_ros.msg import ActionChunk
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import SetBool
from trajectory_msgs.msg import JointTrajectory

from benchmarks.executor_jitter import BURN, NODE
from benchmarks.fault_drill.pipes import take_priority

ROBOTS = Path(__file__).parents[1] / "config" / "robots"
DOMAIN = 66
TOLERANCE = 1e-3  # relative
ORDINARY = ("chrt", "--other", "0", sys.executable, "-c")  # a process without this one's priority
# Profile, its output, and the message.
CASES: tuple[tuple[str, dict[str, Any], type], ...] = (
    ("tabletop", {"twist": {}}, TwistStamped),
    ("tabletop", {"pose": {}}, PoseStamped),
    ("ur_trajectory", {"forward": {"interface": "velocity"}}, Float64MultiArray),
    ("ur_trajectory", {"forward": {"interface": "position"}}, Float64MultiArray),
    ("ur_trajectory", {"joint_trajectory": {}}, JointTrajectory),
)


class Driver:
    """The executor's process, and all around it."""

    def __init__(self, robot: str, outputs: dict[str, Any], kind: type, folder: Path) -> None:
        self.keys: dict[str, Any] = yaml.safe_load((ROBOTS / f"{robot}.yaml").read_text())
        self.keys["outputs"] = outputs
        self.keys.pop("topics", None)  # the node's own names
        self.keys["execution"]["at_end"] = "ramp"
        profile = folder / f"{robot}.yaml"
        profile.write_text(yaml.safe_dump(self.keys))
        [topic] = outputs
        self.messages: list[tuple[int, int, Any]] = []  # published and received, ns
        self._joints = list(self.keys["action"].get("joints", ()))
        self._place = self._middle()
        self._velocity = np.zeros(len(self._place))
        self._sequence, self._sent = 0, 0
        node = self._node = rclpy.create_node("driver")
        node.create_subscription(kind, f"{NODE}/{topic}", self._take, 1000)
        state, name = (JointState, "joint_states") if self._joints else (PoseStamped, "ee_pose")
        self._state = node.create_publisher(state, f"{NODE}/{name}", 1)
        self._chunks = node.create_publisher(ActionChunk, f"{NODE}/action_chunk", 10)
        self._enable = node.create_client(SetBool, f"{NODE}/enable")
        node.create_timer(0.01, self._report)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        code = "import sys; from molmoact_ros.executor_node.node import main; sys.exit(main())"
        self._process = subprocess.Popen(
            [*ORDINARY, code, "--ros-args", "-p", f"robot:={profile}"],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )

    def run(self, seconds: float) -> None:
        """Enable motion and follow chunks for so long."""
        future, end = None, time.monotonic() + 60.0
        while future is None or not future.done() or not future.result().success:
            if time.monotonic() > end:
                raise RuntimeError("the executor could not be enabled")
            if (future is None or future.done()) and self._enable.service_is_ready():
                future = self._enable.call_async(SetBool.Request(data=True))
            self._executor.spin_once(timeout_sec=0.05)
        begin = time.monotonic()
        while (elapsed := time.monotonic() - begin) < seconds:
            if elapsed > 0.5 * self._sent:
                self._send()
            self._executor.spin_once(timeout_sec=0.01)

    def close(self) -> None:
        """End the executor."""
        self._process.terminate()
        self._process.wait(20)
        self._executor.shutdown()
        self._node.destroy_node()

    def _take(self, message: Any, info: Any) -> None:
        self.messages.append((info["source_timestamp"], info["received_timestamp"], message))
        if len(self.messages) > 1:  # by the times of publication: a busy machine holds nobody back
            seconds = 1e-9 * (self.messages[-1][0] - self.messages[-2][0])
            self._place = self._place + self._velocity * min(seconds, 0.2)
        if isinstance(message, PoseStamped):
            p = message.pose.position
            self._place = np.array([p.x, p.y, p.z])
        elif isinstance(message, Float64MultiArray) and not self._is_velocity:
            self._place = np.array(message.data)
        elif isinstance(message, Float64MultiArray):
            self._velocity = np.array(message.data)
        elif isinstance(message, JointTrajectory):
            self._place = np.array(message.points[0].positions)
        elif isinstance(message, TwistStamped):
            v = message.twist.linear
            self._velocity = np.array([v.x, v.y, v.z])

    @property
    def _is_velocity(self) -> bool:
        return self.keys["outputs"].get("forward", {}).get("interface") == "velocity"

    def _middle(self) -> np.ndarray:
        limits = self.keys["limits"]
        if self._joints:
            return np.array([np.mean([limits["joints"][j][k] for k in ("min", "max")])
                             for j in self._joints])  # fmt: skip
        return np.mean([limits["workspace"][key] for key in ("min", "max")], axis=0)

    def _report(self) -> None:
        stamp = self._node.get_clock().now().to_msg()
        if self._joints:
            message = JointState(name=self._joints, position=self._place.tolist())
        else:
            message = PoseStamped()
            message.header.frame_id = self.keys["frame"]
            p, q = message.pose.position, message.pose.orientation
            p.x, p.y, p.z = (float(value) for value in self._place)
            q.y = q.w = 0.5**0.5
        message.header.stamp = stamp
        self._state.publish(message)

    def _send(self) -> None:
        """Send a chunk: to and fro, by so much that acceleration and speed are reached."""
        self._sent += 1
        self._sequence += 1
        action, sign = self.keys["action"], (-1) ** (self._sequence // 2 % 2)
        columns = action["columns"]
        values = np.zeros((8, len(columns)))
        if not self._joints:
            values[:, 0] = sign * 0.02
        for i, joint in enumerate(self._joints):
            source = action.get("axes", {}).get(joint, {"column": joint})
            scale = source.get("scale", 1.0)
            way = sign * 0.05 * np.arange(1, 9)
            is_delta = action["space"] == "joint_delta"
            values[:, columns.index(source["column"])] = (
                sign * 0.05 / scale if is_delta else (self._place[i] + way) / scale
            )
        chunk = ActionChunk(action_space=action["space"], names=columns, step_period=0.1)
        chunk.header.stamp = self._node.get_clock().now().to_msg()
        chunk.horizon, chunk.dof = values.shape
        chunk.values, chunk.valid = values.ravel().tolist(), True
        chunk.sequence, chunk.confidence = self._sequence, float("nan")
        self._chunks.publish(chunk)


def seconds_of(nanoseconds: list[int]) -> np.ndarray:
    """Return times since the first; a float of the time since 1970 has steps of 0.2 us."""
    return np.array([value - nanoseconds[0] for value in nanoseconds]) * 1e-9


def by_stamps(driver: Driver) -> dict[str, Any]:
    """Judge twists, or poses by their second differences."""
    messages = [message for *_, message in driver.messages]
    stamps = [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in messages]
    times = seconds_of(stamps)
    late = [1e-6 * (published - stamp)
            for (published, *_), stamp in zip(driver.messages, stamps, strict=True)]  # fmt: skip
    limit = driver.keys["limits"]["linear"]["acceleration"]
    if isinstance(messages[0], TwistStamped):
        vectors = np.array([[m.twist.linear.x, m.twist.linear.y, m.twist.linear.z]
                            for m in messages])  # fmt: skip
        apart = np.diff(times)
    else:
        places = np.array([[m.pose.position.x, m.pose.position.y, m.pose.position.z]
                           for m in messages])  # fmt: skip
        periods = np.diff(times)
        vectors = np.diff(places, axis=0) / periods[:, None]
        apart = 0.5 * (periods[1:] + periods[:-1])
        # Late by more than three periods the motion waits, which positions show as a stop.
        odd = (periods > 0.03) | (periods < 1e-4)
        apart[odd[1:] | odd[:-1]] = np.inf
    changes = np.linalg.norm(np.diff(vectors, axis=0), axis=1)
    shares = changes / (limit * apart)
    return {
        "pairs": int(np.isfinite(apart).sum()),
        "largest / limit": float(shares.max()),
        "above by more than 0.1 %": int((shares > 1.0 + TOLERANCE).sum()),
        "stamp to publication, p50 ms": float(np.median(late)),
        "p99 ms": float(np.percentile(late, 99)),
        "largest ms": max(late),
    }


def by_arrival(driver: Driver) -> dict[str, Any]:
    """Judge joint velocities by the acceleration, joint positions by the speed."""
    values = np.array([list(message.data) for *_, message in driver.messages])
    joints = driver.keys["action"]["joints"]
    key = "acceleration" if driver._is_velocity else "speed"
    limits = np.array([driver.keys["limits"]["joints"][joint][key] for joint in joints])
    needed = (np.abs(np.diff(values, axis=0)) / limits).max(axis=1)  # s
    row: dict[str, Any] = {"pairs": len(needed), "judged by": key}
    for name, place in (("published", 0), ("arrived", 1)):
        early = 1e3 * (needed - np.diff(seconds_of([m[place] for m in driver.messages])))
        row[f"{name} too early p99 ms"] = float(np.percentile(early, 99))
        row[f"{name} largest ms"] = float(early.max())
    return row


def by_points(driver: Driver) -> dict[str, Any]:
    """Judge the planned points of trajectories."""
    joints = driver.keys["action"]["joints"]
    limits = np.array([driver.keys["limits"]["joints"][name]["acceleration"] for name in joints])
    shares = []
    for *_, message in driver.messages:
        times = np.array([p.time_from_start.sec + p.time_from_start.nanosec * 1e-9
                          for p in message.points])  # fmt: skip
        changes = np.abs(np.diff([list(p.velocities) for p in message.points], axis=0))
        shares += list((changes / (limits * np.diff(times)[:, None])).max(axis=1, initial=0.0))
    return {
        "messages": len(driver.messages),
        "pairs": len(shares),
        "largest / limit": float(max(shares)),
        "above by more than 0.1 %": int((np.array(shares) > 1.0 + TOLERANCE).sum()),
    }


def main() -> None:
    """Measure all cases, idle and busy, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="per case; twists: ten times")
    arguments = parser.parse_args()
    os.environ["ROS_DOMAIN_ID"] = str(DOMAIN)
    folder = Path(tempfile.mkdtemp())
    cores = os.cpu_count() or 1
    take_priority()
    tables: dict[str, list[dict[str, Any]]] = {"stamps": [], "arrival": [], "points": []}
    judges = {"twist": by_stamps, "pose": by_stamps, "forward": by_arrival}
    for load, burners in (("alone", 0), ("beside a busy process on every core", cores)):
        for robot, outputs, kind in CASES:
            rclpy.init()
            driver = Driver(robot, outputs, kind, folder)
            [(topic, options)] = outputs.items()
            burning = [subprocess.Popen([*ORDINARY, BURN]) for _ in range(burners)]
            try:
                driver.run(arguments.seconds * (10.0 if kind is TwistStamped else 1.0))
            finally:
                average = os.getloadavg()[0]
                for process in burning:
                    process.kill()
                driver.close()
                rclpy.shutdown()
            judge = judges.get(topic, by_points)
            output = " ".join([topic, *options.values()])
            row = {"output": output, "load": load, "load average": round(average, 1)}
            row |= judge(driver)
            tables[judge.__name__.removeprefix("by_")].append(row)
            print(row, flush=True)
    from benchmarks.report import write_results  # imports torch

    path = write_results(
        "executor_acceleration", "Executor: acceleration between two commands",
        {
            "By the stamps (pose: second differences of positions)": tables["stamps"],
            "By the times in DDS: how much too early for its change": tables["arrival"],
            "By the planned points": tables["points"],
        },
        {
            "seconds per case": arguments.seconds,
        },
        "Computed from the messages and the robot's YAML by another process. Load average: of the "
        "whole machine, in the last minute of the case. Too early: what the driver would have to "
        "wait to see no more than the limit; it is the jitter of transport.",
    )  # fmt: skip
    print(path)


if __name__ == "__main__":
    main()
