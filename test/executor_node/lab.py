# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A laboratory for the executor node: its process, a robot, policies, and all messages.

The executor runs as a user starts it. This process stands in for the robot: it moves by the twists
and reports its pose. Policies are processes of their own that publish chunks. After every test the
whole stream of twists is checked against the speed and acceleration limits.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped, TwistStamped
from lifecycle_msgs.srv import GetState
from molmoact_ros.msg import ActionChunk, ExecutorStatus
from rcl_interfaces.msg import Log
from rclpy.executors import SingleThreadedExecutor
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Bool
from std_srvs.srv import SetBool, Trigger
from twist_arm import PERIOD, Arm, take_priority

from molmoact_ros.ros.conversions import seconds

ROOT = Path(__file__).parents[2]
NODE = "/molmoact_executor"
NAMES = ["x", "y", "z", "roll", "pitch", "yaw", "gripper"]
HOME = np.array([1.27, 0.75, 0.60])
PATIENCE = 60.0  # s; the machine may be busy
LOST = 10.0  # s without an answer
DISABLED, READY, EXECUTING, STOPPING, HALTED = range(5)


class Lab:
    """The executor's process, a robot, and everything that is published."""

    def __init__(self, domain: int, **parameters: Any) -> None:
        simulated_time = parameters.get("use_sim_time", False)
        self.environment = os.environ | {
            "ROS_DOMAIN_ID": str(domain),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        self.twists: list[tuple[float, float, np.ndarray]] = []  # received, stamp, velocity
        self.statuses: list[ExecutorStatus] = []
        self.human: bool | None = None  # as published last
        self.log: list[Log] = []  # of the level INFO and above
        self.arm, self.frame = Arm(HOME), "base_link"
        self.robot_works, self.reports = True, True
        self.sequence = 1_000_000  # far from that of the policies' processes
        self.time = 1000.0 if simulated_time else None
        self.clock_runs = True
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self._node = rclpy.create_node(f"lab_{domain}", context=self._context)
        self._connect()
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._done = threading.Event()
        self._threads = [
            threading.Thread(target=loop, daemon=True) for loop in (self._spin, self._move)
        ]
        for thread in self._threads:
            thread.start()
        self.process = self.start_executor(
            [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
        )
        self._children: list[subprocess.Popen] = []

    def _connect(self) -> None:
        node = self._node
        node.create_subscription(TwistStamped, f"{NODE}/twist", self._on_twist, 100)
        node.create_subscription(ExecutorStatus, f"{NODE}/status", self.statuses.append, 10)
        node.create_subscription(Bool, f"{NODE}/human", self._on_human, 10)
        node.create_subscription(Log, "/rosout", self.log.append, 100)
        self._pose = node.create_publisher(PoseStamped, f"{NODE}/ee_pose", 1)
        self._chunks = node.create_publisher(ActionChunk, f"{NODE}/action_chunk", 10)
        self._clock = node.create_publisher(Clock, "/clock", 10)
        self._others: dict[str, Any] = {}
        self._enable = node.create_client(SetBool, f"{NODE}/enable")
        self._triggers = {
            name: node.create_client(Trigger, f"{NODE}/{name}")
            for name in ("halt", "clear", "approve")
        }

    def start_executor(self, arguments: list[str]) -> subprocess.Popen:
        """Start the node as a user would."""
        code = "import sys; from molmoact_ros.executor_node.node import main; sys.exit(main())"
        command = [sys.executable, "-c", code, "--ros-args", "-p", "robot:=tabletop", *arguments]
        return subprocess.Popen(command, env=self.environment, cwd=ROOT)

    def policy(
        self, step: float = 0.02, sequence: int = 0, period: float = 0.2
    ) -> subprocess.Popen:
        """Start a process that publishes a chunk every `period` s."""
        arguments = [str(step), str(sequence), str(period)]
        program = Path(__file__).with_name("chunk_publisher.py")
        child = subprocess.Popen(
            [sys.executable, str(program), *arguments], env=self.environment, cwd=ROOT
        )
        self._children.append(child)
        return child

    def person(self, x: float, y: float, rate: float = 50.0) -> subprocess.Popen:
        """Start a process that commands a velocity, m/s, `rate` times per second."""
        program = Path(__file__).with_name("person.py")
        child = subprocess.Popen(
            [sys.executable, str(program), str(x), str(y), str(rate)], env=self.environment,
            cwd=ROOT,
        )  # fmt: skip
        self._children.append(child)
        return child

    def burn(self, count: int) -> None:
        """Use every core."""
        for _ in range(count):
            self._children.append(
                subprocess.Popen([sys.executable, "-c", "while True: pass"], env=self.environment)
            )

    def stop_children(self) -> None:
        """Kill the policies and whatever else was started."""
        for child in self._children:
            child.kill()
            child.wait()
        self._children.clear()

    def close(self) -> None:
        """End everything."""
        self.stop_children()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self._done.set()
        for thread in self._threads:
            thread.join()
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def prepare(self) -> None:
        """Have the executor enabled and at rest, whatever was before, and the arm at home."""
        self.until(lambda: self.statuses, "the executor")
        self.enable(False)
        self.until(lambda: self.status.state in (DISABLED, HALTED), "silence")
        if self.status.state == HALTED:
            self.call("clear")
        # Once it has missed the pose, it can only be enabled by one from home.
        self.reports = False
        self.until(lambda: "ee_pose" in self.enable().message, "no pose")
        self.enable(False)
        self.arm.put(HOME)
        self.robot_works = self.reports = True
        self.until(lambda: self.enable().success, "enable")
        self.until_state(READY)

    # The robot.

    def _on_human(self, message: Bool) -> None:
        self.human = message.data

    def _on_twist(self, message: TwistStamped) -> None:
        linear = message.twist.linear
        velocity = np.array([linear.x, linear.y, linear.z])
        stamp = seconds(message.header.stamp)
        self.twists.append((time.monotonic(), stamp, velocity))
        self.arm.follow(velocity if self.robot_works else np.zeros(3), stamp)

    def _spin(self) -> None:
        take_priority()
        while not self._done.is_set():
            self._executor.spin_once(timeout_sec=0.05)

    def _move(self) -> None:
        take_priority()
        while not self._done.wait(PERIOD):
            if self.time is not None and self.clock_runs:
                self.time += PERIOD
                self._clock.publish(Clock(clock=self.now()))
            if self.reports:
                self._report()

    def _report(self) -> None:
        pose = PoseStamped()
        pose.header.stamp, pose.header.frame_id = self.now(), self.frame
        pose.pose.position.x, pose.pose.position.y, pose.pose.position.z = map(
            float, self.arm.at(seconds(pose.header.stamp))
        )
        pose.pose.orientation.y = pose.pose.orientation.w = 0.5**0.5
        self._pose.publish(pose)

    def now(self, offset: float = 0.0) -> Any:
        """Return the present time, shifted by s, as a stamp."""
        if self.time is not None:
            return rclpy.time.Time(nanoseconds=int((self.time + offset) * 1e9)).to_msg()
        shift = rclpy.duration.Duration(nanoseconds=int(offset * 1e9))
        return (self._node.get_clock().now() + shift).to_msg()

    def publish_clock(self, seconds: int) -> None:
        """Publish a time of one's own choice on /clock."""
        self._clock.publish(Clock(clock=Time(sec=seconds)))

    # What the executor receives.

    def chunk(self, values: np.ndarray, offset: float = 0.0, **changes: Any) -> None:
        """Publish a chunk, as a policy would; `offset` shifts its stamp, s."""
        self.sequence += 1
        message = ActionChunk(action_space="ee_delta", step_period=0.1, valid=True, names=NAMES)
        message.horizon, message.dof = values.shape
        message.values = values.ravel().tolist()
        message.sequence, message.confidence = self.sequence, float("nan")
        message.header.stamp = self.now(offset)
        message.header.frame_id = changes.pop("frame_id", "")
        for name, value in changes.items():
            setattr(message, name, value)
        self._chunks.publish(message)

    def publish(self, kind: type, topic: str, message: Any) -> None:
        """Publish a message, or bytes in the place of a serialized one, to an input."""
        if topic not in self._others:
            publisher = self._node.create_publisher(kind, f"{NODE}/{topic}", 1)
            self.until(publisher.get_subscription_count, topic)
            self._others[topic] = publisher
        self._others[topic].publish(message)

    def until_refused(self, kind: type, topic: str, state: Any) -> None:
        """Publish a measured state until it is refused.

        Best effort loses what does not fit into 512 KB of shared memory, on some machines always.
        """
        before = self.count("state_unreadable")

        def refused() -> bool:
            self.publish(kind, topic, state)
            time.sleep(0.2)
            return self.count("state_unreadable") > before

        self.until(refused, "the refusal")

    def create_client(self, kind: type, name: str) -> Any:
        """Return a client of one of the node's services, once each knows the other."""
        client = self._node.create_client(kind, f"{NODE}/{name}")
        self.until(client.service_is_ready, f"~/{name}")
        # The node sees clients in their order: it knows this one when it answers a later one.
        later = self._node.create_client(GetState, f"{NODE}/get_state")
        self.until(later.service_is_ready, "~/get_state")
        self._answer(lambda: later.call_async(GetState.Request()), "~/get_state")
        return client

    def enable(self, on: bool = True, wait: bool = True) -> Any:
        """Call ~/enable and return its answer, or the future of it."""
        self.until(self._enable.service_is_ready, "~/enable")
        request = SetBool.Request(data=on)
        if not wait:
            return self._enable.call_async(request)
        return self._answer(lambda: self._enable.call_async(request), "~/enable")

    def send(self, name: str) -> Any:
        """Call one of the triggers and return the future of its answer."""
        client = self._triggers[name]
        self.until(client.service_is_ready, f"~/{name}")
        return client.call_async(Trigger.Request())

    def call(self, name: str) -> Any:
        """Call one of the triggers."""
        return self._answer(lambda: self.send(name), f"~/{name}")

    def _answer(self, send: Callable[[], Any], name: str) -> Any:
        """Call, and again when nothing comes: an answer gets lost before the server sees us."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            future, again = send(), time.monotonic() + LOST
            while time.monotonic() < again:
                if future.done():
                    return future.result()
                time.sleep(0.005)
        raise AssertionError(f"waited {PATIENCE} s for an answer of {name}")

    # What it publishes.

    def until(self, value: Callable[[], Any], what: str, timeout: float = PATIENCE) -> Any:
        """Wait until `value()` is true and return it."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if result := value():
                return result
            time.sleep(0.005)
        last = self.statuses[-1] if self.statuses else None
        raise AssertionError(f"waited {timeout} s for {what}; last status: {last}")

    @property
    def status(self) -> ExecutorStatus:
        """The last status."""
        return self.statuses[-1]

    def count(self, name: str) -> int:
        """Return a counter of the last status."""
        return dict(zip(self.status.counter_names, self.status.counter_values, strict=True))[name]

    def until_state(self, state: int, timeout: float = PATIENCE) -> None:
        """Wait for a state."""
        self.until(lambda: self.status.state == state, f"state {state}", timeout)

    @property
    def speed(self) -> float:
        """The speed that was commanded last, m/s."""
        return float(np.linalg.norm(self.twists[-1][2])) if self.twists else 0.0

    def until_moving(self) -> None:
        """Wait for a speed that a stop takes a while from."""
        self.until(lambda: self.speed > 0.15, "motion")

    def drive(self, values: np.ndarray, speed: float = 0.15, **changes: Any) -> None:
        """Send a chunk and wait for its motion, faster than `speed`, m/s.

        On a machine so busy that the poses of this process come too late, the executor stops, as
        it should: then all begins anew.
        """
        for _ in range(5):
            self.chunk(values, **changes)
            deadline = time.monotonic() + 2.0
            while time.monotonic() < deadline:
                if self.speed > speed:
                    return
                time.sleep(0.005)
            assert self.count("halted_internal") == 0
            warnings.warn(f"no motion, trying again; last status: {self.status}", stacklevel=2)
            self.prepare()
        raise AssertionError(f"no motion; last status: {self.status}")

    def until_rest(self, timeout: float = PATIENCE) -> float:
        """Wait for zero velocity and return when it was received, s of time.monotonic."""
        self.until(lambda: self.speed == 0.0, "rest", timeout)
        return self.twists[-1][0]
