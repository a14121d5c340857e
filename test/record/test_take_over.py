# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""An episode in which a person takes over from a policy: the data set marks the person's steps."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from geometry_msgs.msg import TwistStamped
from molmoact_ros.msg import ExecutorStatus
from std_msgs.msg import Bool
from std_srvs.srv import SetBool, Trigger

from molmoact_ros.cli.dataset import main as make_dataset
from molmoact_ros.demo.graph import EXECUTOR, SIMULATOR, NodeSpec, demo_graph

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "test" / "executor_node"
RECORDER = "molmoact_recorder"
PATIENCE = 60.0  # s; the machine may be busy
SECONDS = 2.0  # s of motion of each part


class Programs:
    """Processes that are killed at the end."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = {**os.environ, **environment}
        self._children: list[subprocess.Popen] = []

    def start(self, name: str, *arguments: float) -> subprocess.Popen:
        """Start a program of the executor's tests."""
        command = [sys.executable, str(PROGRAMS / name), *map(str, arguments)]
        self._children.append(subprocess.Popen(command, env=self._environment))
        return self._children[-1]

    def close(self) -> None:
        """Kill them."""
        for child in self._children:
            child.send_signal(signal.SIGKILL)
            child.wait()


@pytest.fixture
def programs(ros_environment: dict[str, str]) -> Iterator[Programs]:
    programs = Programs(ros_environment)
    yield programs
    programs.close()


class Way:
    """How far the arm was commanded, and by whom."""

    def __init__(self, client: Any) -> None:
        self.human, self.last = False, 0.0
        self.moved = 0.0  # s of motion since `start`
        self.status: ExecutorStatus | None = None
        node = client.node
        node.create_subscription(Bool, f"/{EXECUTOR}/human", self._on_human, 10)
        node.create_subscription(TwistStamped, f"/{SIMULATOR}/twist", self._on_twist, 100)

    def _on_human(self, message: Bool) -> None:
        self.human = message.data

    def _on_twist(self, message: TwistStamped) -> None:
        linear = message.twist.linear
        stamp = message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec
        if abs(linear.x) + abs(linear.y) > 0.01:
            self.moved += min(stamp - self.last, 0.05)
        self.last = stamp


@pytest.mark.long
def test_a_take_over_is_marked_in_the_data_set(
    start: Callable,
    client: Any,
    programs: Programs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recording = tmp_path / "cell.yaml"
    text = (ROOT / "config" / "recording" / "tabletop.yaml").read_text()
    recording.write_text(text.replace("# human: /", "human: /"))
    out = tmp_path / "episodes"
    executor = next(spec for spec in demo_graph("") if spec.name == EXECUTOR)
    links = {k: v for k, v in executor.remappings.items() if k != "~/action_chunk"}
    settings = {"recording": str(recording), "output": str(out), "instruction": "touch the block"}
    # Long: the person's commands may come late on a busy machine.
    person_parameters = {"teleop_timeout": 2.0, "teleop_pause": 0.3}
    way = Way(client)
    start(
        NodeSpec("tabletop_node", SIMULATOR, parameters={"seed": 3}),
        NodeSpec("executor_node", EXECUTOR, parameters=person_parameters, remappings=links),
        NodeSpec("recorder_node", RECORDER, parameters={**settings, "min_free_space": 1}),
    )

    def call(name: str) -> Any:
        return client.call(Trigger, f"/{RECORDER}/{name}", Trigger.Request())

    person = client.node.create_publisher(TwistStamped, f"/{EXECUTOR}/teleop", 1)

    def push() -> None:
        message = TwistStamped()
        message.header.stamp, message.twist.linear.y = client.stamp(), 0.05
        person.publish(message)

    def until_moved(human: bool) -> None:
        tick = push if human else None
        client.wait_for(lambda: way.human == human, f"~/human {human}", tick)
        way.moved = 0.0
        client.wait_for(lambda: way.moved > SECONDS and way.human == human, "motion", tick)

    def enable() -> bool:
        request = SetBool.Request(data=True)
        return bool(client.call(SetBool, f"/{EXECUTOR}/enable", request).success)

    client.wait_for(enable, "enable")
    # A process that starts during an episode would keep the simulator from publishing in time.
    programs.start("chunk_publisher.py", 0.006, 0, 0.2)
    until_moved(human=False)
    client.wait_for(lambda: call("begin").success, "the episode's begin")
    for drives in (False, True, False):
        until_moved(drives)
    answer = call("keep")
    assert answer.success, answer.message

    # The states of a slow machine may be further apart than those of a robot.
    monkeypatch.setattr("molmoact_ros.dataset.checks.MAX_STATE_GAP", PATIENCE)
    assert make_dataset([str(out), "-o", str(tmp_path / "data"), "--control-period", "0.2"]) == 0
    table = pq.read_table(tmp_path / "data" / "data" / "chunk-000" / "file-000.parquet")
    human = np.array(table["annotation.human"].to_pylist()).ravel()
    runs = [(who, len(list(steps))) for who, steps in itertools.groupby(human.tolist())]
    assert [who for who, _ in runs] == [False, True, False], "policy, person, policy"
    assert all(steps > 5 for _, steps in runs)
    actions = np.abs(np.array(table["action"].to_pylist()))
    # The policy moves along x, the person along y, 0.01 m in a step.
    sideways = actions[:, 1] > 0.005
    # ~/human has no stamp: where it came late, the step before holds the begin of their motion.
    before = np.append(human[1:], False)
    assert sideways[human].mean() > 0.7 and not sideways[~human & ~before][:-1].any()
