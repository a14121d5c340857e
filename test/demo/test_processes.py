# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Nodes as processes: their command lines, their ends, their last words."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from molmoact_ros.demo.graph import NodeSpec
from molmoact_ros.demo.processes import NodeProcesses, ProcessError, command, private_environment
from molmoact_ros.ros.running import CONFIGURATION_ERROR

pytestmark = pytest.mark.usefixtures("ros_environment")
SIMULATOR = NodeSpec("tabletop_node", "cell", parameters={"image_width": 32, "image_height": 32})
WRONG = NodeSpec("tabletop_node", "cell", parameters={"image_with": 32})


def test_values_keep_their_type_on_the_command_line() -> None:
    spec = NodeSpec(
        "policy_node",
        "policy",
        (Path("/a/b.yaml"),),
        {"instruction": '7: "x" #é', "threads": 1, "period": 0.5, "on": True, "names": ["y"]},
        {"~/camera/image": "front/image"},
    )
    words = command(spec)
    assert Path(words[0]).name == "policy_node"
    assert words[1:4] == ["--ros-args", "-r", "__node:=policy"]
    assert words[4:6] == ["--params-file", "/a/b.yaml"]
    assert 'instruction:="7: \\"x\\" #é"' in words
    assert {"threads:=1", "period:=0.5", "on:=true", 'names:=["y"]'} <= set(words)
    assert words[-2:] == ["-r", "~/camera/image:=front/image"]


def test_nodes_are_stopped_at_the_end(tmp_path: Path) -> None:
    with NodeProcesses([SIMULATOR], tmp_path) as nodes:
        process = nodes.process("cell")
        nodes.check()
        assert process.poll() is None
    assert process.returncode is not None


def test_a_node_that_ends_is_reported_with_its_last_words(client: Any, tmp_path: Path) -> None:
    with NodeProcesses([WRONG], tmp_path) as nodes:
        assert nodes.process("cell").wait(60) == CONFIGURATION_ERROR
        with pytest.raises(ProcessError, match="cell ended with code 78(.|\n)*'image_with'"):
            nodes.check()


def test_no_node_survives_a_killed_parent(tmp_path: Path) -> None:
    script = (
        "import pathlib, time\n"
        "from molmoact_ros.demo.graph import NodeSpec\n"
        "from molmoact_ros.demo.processes import NodeProcesses\n"
        f"with NodeProcesses([NodeSpec('tabletop_node', 'cell')], pathlib.Path({str(tmp_path)!r}))"
        " as nodes:\n"
        "    print(nodes.process('cell').pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    descriptor = os.pidfd_open(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait(60)
    # Readable once the process has ended.
    import select

    assert select.select([descriptor], [], [], 60)[0]
    os.close(descriptor)


def test_the_users_own_dds_profile_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("molmoact_ros.launching.dds._free_shared_memory", lambda: 1 << 40)
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    profile = private_environment(7)["FASTDDS_DEFAULT_PROFILES_FILE"]
    assert Path(profile).name == "fastdds.xml"
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    assert private_environment(7)["FASTRTPS_DEFAULT_PROFILES_FILE"] == profile
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", "/mine.xml")
    assert not any("PROFILES" in name for name in private_environment(7))


def test_little_shared_memory_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("molmoact_ros.launching.dds._free_shared_memory", lambda: 64 << 20)
    assert not any("PROFILES" in name for name in private_environment(7))
