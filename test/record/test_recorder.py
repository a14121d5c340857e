# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The recorder as a process beside simulator and person; its episodes become a data set."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from std_srvs.srv import Trigger

from molmoact_ros.cli.dataset import main as make_dataset
from molmoact_ros.demo.graph import SIMULATOR, NodeSpec
from molmoact_ros.demo.processes import command
from molmoact_ros.record import notes
from molmoact_ros.replay import Bag
from molmoact_ros.replay.types import message_types

ROOT = Path(__file__).parents[2]
RECORDING = ROOT / "config" / "recording" / "tabletop.yaml"
RECORDER = "molmoact_recorder"
INSTRUCTION = "reach the green block"
TOPICS = {"/tabletop/camera/image/compressed", "/tabletop/camera/camera_info", "/tabletop/ee_pose",
          "/joint_states", "/tabletop/gripper", "/tabletop/twist"}  # fmt: skip


class Recorder:
    """A recorder process and its services."""

    def __init__(self, client: Any, out: Path, log: Path) -> None:
        self.client, self.out, self.log = client, out, log
        self.diagnostics = client.listen(DiagnosticArray, "/diagnostics")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, max_bytes: int | None = None) -> None:
        """Start it; a limit of the size of its files stands for a full disk."""
        def limit() -> None:
            if max_bytes is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, max_bytes))

        values = {"recording": str(RECORDING), "output": str(self.out), "min_free_space": 1}
        spec = NodeSpec("recorder_node", RECORDER, parameters=values)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command(spec), stdout=log, stderr=subprocess.STDOUT, preexec_fn=limit
            )

    def call(self, name: str) -> Trigger.Response:
        """Call a service."""
        return self.client.call(Trigger, f"/{RECORDER}/{name}", Trigger.Request())

    def begin(self) -> None:
        """Begin as soon as everything is published, in at most the patience of the client."""
        self.client.wait_for(lambda: self.call("begin").success, "the episode's begin")

    def status(self, key: str) -> str:
        """Return a value of the newest diagnostics."""
        own = [s for m in self.diagnostics for s in m.status if s.name == f"/{RECORDER}: recorder"]
        return next((v.value for s in own[-1:] for v in s.values if v.key == key), "")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal; return its exit code."""
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(number)
        return process.wait(30.0)

    def size(self) -> int:
        """Return how large the running episode's file is, bytes."""
        return sum(f.stat().st_size for f in self.out.glob("running/*/*.mcap"))


@pytest.fixture(scope="module")
def cell(start: Callable, ros_environment: dict[str, str]) -> Iterator[None]:
    """Simulator and person."""
    start(NodeSpec("tabletop_node", SIMULATOR, parameters={"seed": 3, "image_width": 126,
                                                           "image_height": 126}))  # fmt: skip
    program = Path(__file__).with_name("person.py")
    environment = {**os.environ, **ros_environment}
    person = subprocess.Popen([sys.executable, str(program), INSTRUCTION], env=environment)
    yield
    person.kill()
    person.wait()


@pytest.fixture
def recorder(client: Any, cell: None, tmp_path: Path) -> Iterator[Recorder]:
    made = Recorder(client, tmp_path / "episodes", tmp_path / "recorder.log")
    yield made
    made.stop(signal.SIGKILL)


def test_kept_episodes_become_a_data_set(recorder: Recorder, tmp_path: Path) -> None:
    recorder.start()
    recorder.begin()
    assert "end it first" in recorder.call("begin").message
    recorder.client.wait_for(lambda: recorder.size() > 2**20, "a megabyte of episode")
    answer = recorder.call("keep")
    assert answer.success, answer.message
    episode = recorder.out / "episode_0001"
    assert sorted(f.name for f in episode.iterdir()) == ["episode_0001.mcap", "metadata.yaml"]
    with Bag(episode, message_types()) as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
        assert counts.keys() >= TOPICS and min(counts[topic] for topic in TOPICS) > 3
        begin = notes.read_note(notes.BeginNote, bag.first(notes.BEGIN_TOPIC).data)
        end = notes.read_note(notes.EndNote, bag.first(notes.END_TOPIC).data)
    assert begin.instruction == INSTRUCTION and begin.robot_profile["robot"] == "tabletop"
    assert end.messages["/tabletop/ee_pose"] == counts["/tabletop/ee_pose"] and end.success
    assert all(lost > 0 for lost in end.lost.values())

    # Thrown away, and ended by a signal while it runs.
    recorder.begin()
    assert recorder.call("end").success and recorder.call("discard").success
    assert not list(recorder.out.glob("running/*"))
    recorder.begin()
    assert recorder.stop(signal.SIGINT) == 0
    assert "nobody kept episode_0002" in recorder.log.read_text()
    assert (recorder.out / "unfinished" / "episode_0002" / "metadata.yaml").is_file()

    out = tmp_path / "data"
    # The states of a slow machine may be further apart than those of a robot.
    assert make_dataset([str(recorder.out), "-o", str(out), "--control-period", "0.2"]) == 0
    facts = json.loads((out / "meta" / "molmoact.json").read_text())
    assert [episode["instruction"] for episode in facts["episodes"]] == [INSTRUCTION]
    assert facts["robot"] == "tabletop" and facts["episodes"][0]["outside_share"] == 0.0
    assert np.any(np.array(facts["norm_stats"]["data"]["action"]["std"][:3]) > 1e-4), "it moved"


def test_a_full_disk_loses_the_running_episode_only(recorder: Recorder) -> None:
    recorder.start(max_bytes=3 * 2**19)
    recorder.begin()
    assert recorder.call("keep").success, "a short one fits"
    recorder.begin()
    recorder.client.wait_for(
        lambda: "is lost" in recorder.log.read_text(), "the disk to be full"
    )
    said = recorder.log.read_text()
    assert "episode_0002 is lost" in said and "File too large" in said
    assert not list(recorder.out.glob("running/*")), "nothing half-written is left"
    recorder.begin()
    assert recorder.call("keep").success, "and the recorder goes on"
    kept = sorted(path.name for path in recorder.out.glob("episode_*"))
    assert kept == ["episode_0001", "episode_0002"]


def test_a_killed_recorder_loses_the_running_episode_only(recorder: Recorder) -> None:
    recorder.start()
    recorder.begin()
    assert recorder.call("keep").success
    recorder.begin()
    recorder.stop(signal.SIGKILL)
    assert list(recorder.out.glob("running/episode_0002"))
    recorder.start()
    recorder.client.wait_for(lambda: "unfinished" in recorder.log.read_text(), "the report")
    assert "what is left is in" in recorder.log.read_text()
    recorder.begin()
    assert recorder.call("keep").success
    kept = sorted(path.name for path in recorder.out.glob("episode_*"))
    assert kept == ["episode_0001", "episode_0003"]
