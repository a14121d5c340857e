# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Simulator, policy with the shipped checkpoint, and executor, as a user starts them."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo_topics import DemoTopics
from molmoact_ros.msg import ExecutorStatus
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from molmoact_ros.demo.graph import EXECUTOR, POLICY, SIMULATOR, default_checkpoint, demo_graph
from molmoact_ros.ros import qos
from molmoact_ros.sim.tasks import NEAR


class Graph(DemoTopics):
    """The running nodes and what they publish."""

    def __init__(self, client: Any, start: Callable) -> None:
        super().__init__(client)
        self.nodes = start(*demo_graph(str(default_checkpoint())))
        self._instruction = client.node.create_publisher(
            String, f"{POLICY}/instruction", qos.LATCHED
        )

    def until(
        self, ready: Callable[[], Any], what: str, tick: Callable[[], None] = lambda: None
    ) -> None:
        """Wait; a node that ends meanwhile is named with its last words."""

        def check() -> None:
            self.nodes.check()
            tick()

        self.client.wait_for(ready, what, check)

    def until_up(self) -> None:
        """Wait for all nodes, in the order in which they start to work."""
        self.until(lambda: self.blocks and self.poses, "the simulator")
        self.until(lambda: self.states, "the executor")
        self.until(self._instruction.get_subscription_count, "the policy")

    def instruct(self, text: str) -> None:
        """Publish an instruction."""
        self._instruction.publish(String(data=text))

    def reset(self, seed: int) -> None:
        """Start a scene at rest, with nothing to do and motion on."""
        self.instruct("")
        value = Parameter("seed", value=seed).to_parameter_msg()
        request = SetParameters.Request(parameters=[value])
        self.client.call(SetParameters, f"{SIMULATOR}/set_parameters", request)
        self._enable(False)
        still = (ExecutorStatus.STATE_DISABLED, ExecutorStatus.STATE_HALTED)
        self.until(lambda: self.state() in still, "rest")
        self.client.call(Trigger, f"{SIMULATOR}/reset", Trigger.Request())
        for old in (self.poses, self.blocks, self.twists):
            old.clear()
        self.until(lambda: self.blocks and self.poses, "the new scene")
        self.until(self._enables, "motion")

    def _enables(self) -> bool:
        self.go_on()
        return self._enable(True)

    def go_on(self) -> None:
        """End a halt: on a busy machine the simulator falls behind its commands."""
        state = self.state()
        if state == ExecutorStatus.STATE_HALTED:
            assert "max_following_error" in self.states[-1].reason
            self.client.call(Trigger, f"{EXECUTOR}/clear", Trigger.Request())
        if state in (ExecutorStatus.STATE_HALTED, ExecutorStatus.STATE_DISABLED):
            self._enable(True)  # again, where it was refused because the pose was late

    def _enable(self, on: bool) -> bool:
        request = SetBool.Request(data=on)
        return bool(self.client.call(SetBool, f"{EXECUTOR}/enable", request).success)


@pytest.fixture(scope="module")
def graph(client: Any, start: Callable) -> Graph:
    made = Graph(client, start)
    made.until_up()
    return made


def test_nothing_moves_before_motion_is_enabled(graph: Graph) -> None:
    graph.instruct("reach the red block")
    graph.until(lambda: len(graph.reasonings) >= 2, "answers")
    assert graph.state() == ExecutorStatus.STATE_DISABLED
    assert graph.twists == []


def test_the_executor_loads_no_torch(graph: Graph) -> None:
    maps = Path(f"/proc/{graph.nodes.process(EXECUTOR).pid}/maps").read_text()
    assert "rclpy" in maps
    assert not re.search(r"libtorch|tokenizers", maps)


@pytest.mark.parametrize("color", ["red", "blue"])
def test_the_arm_reaches_the_block_that_is_named(graph: Graph, color: str) -> None:
    graph.reset(seed=3)
    assert graph.distance(color) > 2 * NEAR
    half = graph.distance(color) / 2
    graph.instruct(f"reach the {color} block")
    graph.until(lambda: graph.distance(color) < half, "half of the way", graph.go_on)
    graph.until(lambda: graph.distance(color) < NEAR, "the gripper at the block", graph.go_on)
    assert graph.reasonings[-1].instruction == f"reach the {color} block"
    assert len(graph.reasonings[-1].depth.codes) == 100


def test_the_command_returns_to_zero_when_the_policy_is_killed(graph: Graph) -> None:
    graph.reset(seed=3)
    graph.instruct("reach the red block")
    graph.until(lambda: graph.speed() > 0.03, "motion", graph.go_on)
    policy = graph.nodes.process(POLICY)
    policy.send_signal(signal.SIGKILL)
    policy.wait(60)
    ready = ExecutorStatus.STATE_READY
    graph.client.wait_for(
        lambda: graph.state() == ready and graph.speed() == 0.0, "rest", graph.go_on
    )
    seen = len(graph.blocks)  # two more than the simulator may publish before it takes the zero
    graph.client.wait_for(lambda: len(graph.blocks) >= seen + 3, "the simulator's rest")
    # Nothing is commanded any more, and the arm, whose servos lag, stays near where it is.
    commands, place, seen = len(graph.twists), graph.place(), len(graph.states)
    graph.client.wait_for(lambda: len(graph.states) >= seen + 10, "a second")
    assert all(t.twist.linear.x == t.twist.linear.z == 0.0 for t in graph.twists[commands:])
    assert np.linalg.norm(graph.place() - place) < 0.03
