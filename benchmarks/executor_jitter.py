# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How evenly the executor's loop runs: alone, beside busy cores, and with SCHED_FIFO.

    python -m benchmarks.executor_jitter [--seconds 20]

The executor runs as a process of its own, as a user starts it, and follows chunks; this process is
the robot and the policy. Every command carries the time at which its loop began, so the figures are
those of the loop, not of the transport. Needs ROS.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import PoseStamped, TwistStamped
from molmoact_ros.msg import ActionChunk, ExecutorStatus
from rclpy.executors import SingleThreadedExecutor
from std_srvs.srv import SetBool

PERIOD = 0.01
NODE = "/molmoact_executor"
# What a policy does to a machine: multiply matrices, all the time.
BURN = "import numpy as n; a = n.random.rand(512, 512).astype('f')\nwhile True: a @ a"


class Bench:
    """The executor's process, and a robot and a policy in this one."""

    def __init__(self, domain: int, priority: int) -> None:
        rclpy.init(domain_id=domain)
        self._node = rclpy.create_node("bench")
        self._stamps: list[float] = []
        self._statuses: list[ExecutorStatus] = []
        self._position, self._velocity = np.array([1.27, 0.75, 0.6]), np.zeros(3)
        self._sequence = 0
        node = self._node
        node.create_subscription(TwistStamped, f"{NODE}/twist", self._on_twist, 1000)
        node.create_subscription(ExecutorStatus, f"{NODE}/status", self._statuses.append, 10)
        self._pose = node.create_publisher(PoseStamped, f"{NODE}/ee_pose", 1)
        self._chunks = node.create_publisher(ActionChunk, f"{NODE}/action_chunk", 10)
        self._enable = node.create_client(SetBool, f"{NODE}/enable")
        node.create_timer(PERIOD, self._report)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        code = "import sys; from molmoact_ros.executor_node.node import main; sys.exit(main())"
        parameters = ["-p", "robot:=tabletop", "-p", f"realtime_priority:={priority}"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "--ros-args", *parameters],
            env=os.environ | {"ROS_DOMAIN_ID": str(domain), "OMP_NUM_THREADS": "1"},
        )

    def listen(self, kind: type, topic: str, profile: Any, take: Callable[[Any], object]) -> None:
        """Hand the messages of one more topic to `take`."""
        self._node.create_subscription(kind, topic, take, profile)

    def spin(self) -> None:
        """Take one message, or wait a moment for one."""
        self._executor.spin_once(timeout_sec=0.05)

    def measure(self, seconds: float) -> dict[str, Any]:
        """Run for that long and return figures in ms."""
        self._start()
        begin, cpu = time.monotonic(), self._cpu_seconds()
        self._stamps.clear()
        while (elapsed := time.monotonic() - begin) < seconds:
            if elapsed > 0.5 * self._sent:
                self._send()
            self._executor.spin_once(timeout_sec=0.01)
        stamps = np.array(self._stamps)
        late = 1e3 * np.abs(np.diff(stamps) - PERIOD)
        return {
            "commands": len(stamps),
            "rate Hz": float((len(stamps) - 1) / (stamps[-1] - stamps[0])),
            "deviation p50 ms": float(np.percentile(late, 50)),
            "deviation p99 ms": float(np.percentile(late, 99)),
            "largest ms": float(late.max()),
            "CPU share of a core": (self._cpu_seconds() - cpu) / seconds,
            "resident MB": self._resident(),
        }

    def close(self) -> None:
        """End the executor."""
        self.process.terminate()
        self.process.wait(20)
        self._node.destroy_node()
        rclpy.shutdown()

    def _start(self) -> None:
        self._sent = 0
        deadline = time.monotonic() + 60.0
        future = None
        while time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.05)
            if future is not None and future.done():
                if future.result().success:
                    return
                future = None
            if future is None and self._enable.service_is_ready():
                future = self._enable.call_async(SetBool.Request(data=True))
        raise RuntimeError("the executor could not be enabled")

    def _on_twist(self, message: TwistStamped) -> None:
        stamp, linear = message.header.stamp, message.twist.linear
        self._stamps.append(stamp.sec + stamp.nanosec * 1e-9)
        self._velocity = np.array([linear.x, linear.y, linear.z])

    def _report(self) -> None:
        self._position = self._position + self._velocity * PERIOD
        pose = PoseStamped()
        pose.header.stamp = self._node.get_clock().now().to_msg()
        pose.header.frame_id = "base_link"
        p, q = pose.pose.position, pose.pose.orientation
        p.x, p.y, p.z = (float(value) for value in self._position)
        q.y = q.w = 0.5**0.5
        self._pose.publish(pose)

    def _send(self) -> None:
        self._sent += 1
        self._sequence += 1
        chunk = ActionChunk(action_space="ee_delta", horizon=8, dof=7, step_period=0.1, valid=True)
        chunk.header.stamp = self._node.get_clock().now().to_msg()
        chunk.names = ["x", "y", "z", "roll", "pitch", "yaw", "gripper"]
        chunk.values = [0.01 * (-1) ** (self._sequence % 2)] + [0.0] * 6
        chunk.values = list(chunk.values) * 8
        chunk.sequence, chunk.confidence = self._sequence, float("nan")
        self._chunks.publish(chunk)

    def _cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _resident(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


def start_seconds(domain: int) -> float:
    """Return how long the node takes from its start to "ready" in its log."""
    code = "import sys; from molmoact_ros.executor_node.node import main; sys.exit(main())"
    begin = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", code, "--ros-args", "-p", "robot:=tabletop"],
        env=os.environ | {"ROS_DOMAIN_ID": str(domain)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if "ready:" in line:
            break
    seconds = time.monotonic() - begin
    process.terminate()
    process.wait(20)
    return seconds


def main() -> None:
    """Measure all cases and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="per case")
    arguments = parser.parse_args()
    cores = os.cpu_count() or 1
    load_before = os.getloadavg()[0]
    rows = []
    for domain, (case, burners, priority) in enumerate(
        (
            ("alone, realtime_priority 0", 0, 0),
            ("alone, realtime_priority 10 (default)", 0, 10),
            ("beside a policy on every core, realtime_priority 0", cores, 0),
            ("beside a policy on every core, realtime_priority 10 (default)", cores, 10),
        ),
        start=61,
    ):
        bench = Bench(domain, priority)
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        burning = [
            subprocess.Popen([sys.executable, "-c", BURN], env=environment) for _ in range(burners)
        ]
        try:
            rows.append({"case": case} | bench.measure(arguments.seconds))
        finally:
            for process in burning:
                process.kill()
            bench.close()
        print(rows[-1], flush=True)
    starts = sorted(start_seconds(70) for _ in range(5))
    from benchmarks.report import write_results  # imports torch

    path = write_results(
        "executor_jitter", "Executor: how evenly its loop runs",
        {
            "Loop at 100 Hz, deviation of the time between two commands from 10 ms": rows,
            "From start to ready": [{"median s": starts[2], "slowest of 5 s": starts[-1]}],
        },
        {
            "seconds per case": arguments.seconds,
            "load average of the machine before": round(load_before, 2),
        },
        "`Alone` means without load of this benchmark; the load average before the run shows what "
        "else the machine was doing (0: nothing). Figures of ordinary priority (0) on a machine "
        "whose load average is above its number of cores are no evidence about the executor.",
    )  # fmt: skip
    print(path)


if __name__ == "__main__":
    main()
