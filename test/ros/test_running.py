# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a node survives, and how its process ends when a callback or thread fails."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import rclpy
from builtin_interfaces.msg import Time
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock

from molmoact_ros.ros.running import ClosableNode

PROGRAM = """
import sys
from molmoact_ros.ros.node_thread import NodeThread
from molmoact_ros.ros.running import ClosableNode, run_node

class Node(ClosableNode):
    def __init__(self):
        super().__init__("failing")
        self.create_timer(0.02, self.{place})
        self.create_timer(0.02, lambda: None)

    def callback(self):
        raise ValueError("broken")

    def thread(self):
        NodeThread(self, "worker", lambda: sys.exit("broken")).start()

    def close(self):
        print("closed", flush=True)
        {close}

sys.exit(run_node(Node, threads={threads}))
"""


@pytest.mark.parametrize(
    ("place", "threads", "close", "expected"),
    [
        ("callback", 1, "", "a callback failed:"),
        ("callback", 2, "raise RuntimeError('torn')", "RuntimeError: torn"),
        ("thread", 1, "", "thread 'worker' has ended:"),
    ],
)
def test_the_process_ends(
    ros_environment: dict[str, str], place: str, threads: int, close: str, expected: str
) -> None:
    program = PROGRAM.format(place=place, threads=threads, close=close)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("closed") == 1
    assert expected in done.stderr and "broken" in done.stderr


STUCK = """
import ctypes, sys
from molmoact_ros.ros import running

class Node(running.ClosableNode):
    def __init__(self):
        super().__init__("stuck")
        self.create_timer(0.02, lambda: self.fail("enough"))

    def destroy_node(self):
        ctypes.PyDLL(None).sleep(1000)  # holds Python's lock, as rclpy does

running._LONGEST_DESTRUCTION = 0.5
sys.exit(running.run_node(Node))
"""


def test_the_process_ends_although_dds_does_not(ros_environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert "Timeout" in done.stderr and "destroy_node" in done.stderr


def test_a_message_on_clock_that_is_no_time_is_dropped(
    ros_environment: dict[str, str], client: Any
) -> None:
    context = rclpy.Context()
    rclpy.init(context=context)
    simulated = [Parameter("use_sim_time", value=True)]
    node = ClosableNode("timed", context=context, parameter_overrides=simulated)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    publisher = client.node.create_publisher(Clock, "/clock", 10)

    def tell(seconds: int) -> None:
        publisher.publish(Clock(clock=Time(sec=seconds)))
        executor.spin_once(timeout_sec=0.05)

    client.wait_for(lambda: node.dropped_clocks > 0, "the bad clock", lambda: tell(-1))
    client.wait_for(
        lambda: node.get_clock().now().nanoseconds == 7e9, "the good clock", lambda: tell(7)
    )
    executor.shutdown()
    node.destroy_node()
    context.try_shutdown()


VANISHING = """
import os, signal, sys
from rclpy.exceptions import InvalidHandle
from molmoact_ros.ros.running import ClosableNode, run_node

class Node(ClosableNode):
    calls = 0

    def __init__(self):
        super().__init__("vanishing")
        self.create_timer(0.02, self.callback)

    def callback(self):
        self.calls += 1
        if self.calls == 1:
            raise InvalidHandle("destroyed meanwhile")
        os.kill(os.getpid(), signal.SIGTERM)

sys.exit(run_node(Node, threads=2))
"""


def test_what_a_transition_destroys_meanwhile_ends_nothing(ros_environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", VANISHING], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
