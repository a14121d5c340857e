# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The recorder as a process beside simulator and person; its episodes become a data set."""

from __future__ import annotations

import json
import os
import pty
import resource
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from std_msgs.msg import Bool
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
PATIENCE = 60.0  # s; the machine may be busy
TOPICS = {"/tabletop/camera/image", "/tabletop/camera/camera_info", "/tabletop/ee_pose",
          "/joint_states", "/tabletop/gripper", "/tabletop/twist"}  # fmt: skip


class Recorder:
    """A recorder process and its services."""

    def __init__(self, client: Any, folder: Path) -> None:
        self.client, self.out, self.log = client, folder / "episodes", folder / "recorder.log"
        content = RECORDING.read_text().replace("image/compressed", "image")  # more bytes
        self.recording = folder / "cell.yaml"
        self.recording.write_text(content)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        values = {"recording": str(self.recording), "output": str(self.out), "min_free_space": 1}
        spec = NodeSpec("recorder_node", RECORDER, parameters=values)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command(spec), stdout=log, stderr=subprocess.STDOUT)

    def limit(self, most: int) -> None:
        """Limit the size of its files, bytes; that stands for a full disk."""
        assert self.process is not None
        _, hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (most, hard))

    def wait_until_subscribed(self, *topics: str) -> None:
        """Wait until it receives topics without which an episode may begin."""

        def is_subscribed(topic: str) -> bool:
            found = self.client.node.get_subscriptions_info_by_topic(topic)
            return any(info.node_name == RECORDER for info in found)

        self.client.wait_for(lambda: all(map(is_subscribed, topics)), "the recorder")

    def call(self, name: str) -> Trigger.Response:
        """Call a service."""
        return self.client.call(Trigger, f"/{RECORDER}/{name}", Trigger.Request())

    def start_command(self) -> None:
        """Start the command instead, whose keys are read from a pipe."""
        program = Path(command(NodeSpec("molmoact-record", RECORDER))[0])
        arguments = [str(self.recording), "-o", str(self.out), "--instruction", INSTRUCTION]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(program), *arguments, "--ros-args", "-p", "min_free_space:=1"],
                stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def press(self, key: str, until: str) -> None:
        """Press a key until the log has something new."""
        before = len(self.log.read_text())

        def reported() -> bool:
            assert self.process is not None and self.process.stdin is not None
            self.process.stdin.write(f"{key}\n".encode())
            self.process.stdin.flush()
            for _ in range(10):
                self.client.spin()
            return until in self.log.read_text()[before:]

        self.client.wait_for(reported, until)

    def begin(self) -> None:
        """Begin as soon as everything is published, in at most the patience of the client."""
        self.client.wait_for(lambda: self.call("begin").success, "the episode's begin")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal; return its exit code."""
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(number)
        return process.wait(PATIENCE)

    def size(self) -> int:
        """Return how large the running episode's file is, bytes."""
        return sum(f.stat().st_size for f in self.out.glob("running/*/*.mcap"))


@pytest.fixture(scope="module")
def cell(start: Callable, ros_environment: dict[str, str]) -> Iterator[None]:
    """Start simulator and person."""
    start(NodeSpec("tabletop_node", SIMULATOR, parameters={"seed": 3}))
    program = Path(__file__).with_name("person.py")
    environment = {**os.environ, **ros_environment}
    person = subprocess.Popen([sys.executable, str(program), INSTRUCTION], env=environment)
    yield
    person.kill()
    person.wait()


@pytest.fixture
def recorder(client: Any, cell: None, tmp_path: Path) -> Iterator[Recorder]:
    made = Recorder(client, tmp_path)
    yield made
    made.stop(signal.SIGKILL)


def test_kept_episodes_become_a_data_set(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder.start()
    recorder.wait_until_subscribed("/tabletop/gripper", "/tabletop/twist")
    recorder.begin()
    assert "end it first" in recorder.call("begin").message
    go = recorder.client.node.create_publisher(Bool, "/operator/go", 1)
    twists = recorder.client.listen(TwistStamped, "/tabletop/twist")
    recorder.client.wait_for(
        lambda: recorder.size() > 4_000_000 and len(twists) > 10,
        "some seconds of pictures and commands",
        lambda: go.publish(Bool(data=True)),
    )
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
    monkeypatch.setattr("molmoact_ros.dataset.checks.MAX_STATE_GAP", PATIENCE)
    assert make_dataset([str(recorder.out), "-o", str(out), "--control-period", "0.2"]) == 0
    facts = json.loads((out / "meta" / "molmoact.json").read_text())
    assert [episode["instruction"] for episode in facts["episodes"]] == [INSTRUCTION]
    assert facts["robot"] == "tabletop" and facts["episodes"][0]["outside_share"] == 0.0
    assert np.any(np.array(facts["norm_stats"]["data"]["action"]["std"][:3]) > 1e-4), "it moved"


@pytest.mark.long
def test_the_terminal_is_as_before_when_a_signal_ends_the_command(
    ros_environment: dict[str, str], tmp_path: Path
) -> None:
    keyboard, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)
    program = command(NodeSpec("molmoact-record", RECORDER))[0]
    process = subprocess.Popen(
        [program, str(RECORDING), "-o", str(tmp_path)], stdin=terminal, stdout=terminal,
        env={**os.environ, **ros_environment},
    )  # fmt: skip
    try:
        shown = b""
        while b"keys: " not in shown:
            shown += os.read(keyboard, 4096)
        assert termios.tcgetattr(terminal) != before, "single keys"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert termios.tcgetattr(terminal) == before
    finally:
        process.kill()
        process.wait()
        os.close(keyboard)
        os.close(terminal)


@pytest.mark.long
def test_a_full_disk_loses_the_running_episode_only(recorder: Recorder) -> None:
    recorder.start()
    recorder.begin()
    assert recorder.call("keep").success, "this one fits"
    recorder.begin()
    recorder.limit(1_000_000)
    recorder.client.wait_for(lambda: "is lost" in recorder.log.read_text(), "the full disk")
    log = recorder.log.read_text()
    assert "episode_0002 is lost" in log and "File too large" in log
    assert not list(recorder.out.glob("running/*")), "nothing half-written is left"
    recorder.limit(resource.RLIM_INFINITY)
    recorder.begin()
    assert recorder.call("keep").success, "and the recorder goes on"
    kept = sorted(path.name for path in recorder.out.glob("episode_*"))
    assert kept == ["episode_0001", "episode_0002"]


@pytest.mark.long
def test_a_killed_recorder_loses_the_running_episode_only(recorder: Recorder) -> None:
    """By the command and its keys: a service of a killed node is not gone at once."""
    recorder.start_command()
    recorder.press("b", until="episode_0001 began")
    recorder.press("k", until="kept: ")
    recorder.press("b", until="episode_0002 began")
    recorder.stop(signal.SIGKILL)
    assert list(recorder.out.glob("running/episode_0002"))
    recorder.start_command()
    recorder.press("b", until="episode_0003 began")
    log = recorder.log.read_text()
    assert "ended in the middle of an episode: what is left is in" in log
    recorder.press("k", until="episode_0003\n")
    recorder.press("x", until="keys: ")
    recorder.press("q", until="")
    assert recorder.process is not None and recorder.process.wait(PATIENCE) == 0
    kept = sorted(path.name for path in recorder.out.glob("episode_*"))
    assert kept == ["episode_0001", "episode_0003"]
