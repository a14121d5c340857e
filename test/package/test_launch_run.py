# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Launch files through the real launch, where it is installed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

LAUNCH = Path(__file__).parents[2] / "launch"
CHECKPOINT = Path(__file__).parents[1] / "data" / "golden" / "qwen_siglip"
PARAMETERS = """
/**/molmoact_policy:
  ros__parameters: {device: cpu, unnorm_key: molmoact, control_period: 0.1, threads: 1}
"""
IN_A_GROUP = """
from launch import LaunchDescription
from launch.actions import GroupAction, IncludeLaunchDescription
from launch_ros.actions import PushRosNamespace

def generate_launch_description():
    arguments = {arguments}.items()
    included = IncludeLaunchDescription({file!r}, launch_arguments=arguments)
    return LaunchDescription([GroupAction([PushRosNamespace("left"), included])])
"""
RUN = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
file, *given = sys.argv[1:]
arguments = [tuple(word.split(":=", 1)) for word in given]
source = PythonLaunchDescriptionSource(file)
service = LaunchService()
included = IncludeLaunchDescription(source, launch_arguments=arguments)
service.include_launch_description(LaunchDescription([included]))
sys.exit(service.run())
"""


@pytest.fixture(autouse=True)
def _launch() -> None:
    pytest.importorskip("launch_ros", reason="launch and launch_ros are not on PyPI")


@pytest.fixture
def launched(ros_environment: Any) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """A function that starts a launch file; what still runs at the end is interrupted."""
    running = []

    def launch(file: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(LAUNCH / file), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        running.append(process)
        return process

    yield launch
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


def heard(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    """Read what launch says until a line holds a pattern."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if found := re.search(pattern, line):
            return found
    raise AssertionError("".join(said))


def ended(process: subprocess.Popen[str]) -> str:
    """Interrupt a launch, check that all ends cleanly, and return what was said."""
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert "process has died" not in said
    return said


def test_executor_in_a_namespace(launched: Callable, client: Any) -> None:
    from molmoact_ros.msg import ExecutorStatus

    arguments = ("nodes:=executor", "robot:=tabletop", "namespace:=left", "log_level:=warn")
    process = launched("molmoact.launch.py", *arguments)
    heard = client.listen(ExecutorStatus, "/left/molmoact_executor/status")
    client.wait_for(lambda: heard, "the executor's status")
    assert "molmoact_policy" not in client.node.get_node_names()
    ended(process)


@pytest.fixture
def parameters(tmp_path: Path) -> Path:
    """Settings for a checkpoint of random weights."""
    file = tmp_path / "policy.yaml"
    file.write_text(PARAMETERS)
    return file


def test_the_robots_side_is_remapped(launched: Callable, client: Any) -> None:
    given = {"joint_states": "/arm/states", "joint_trajectory": "/arm/path", "gripper": "/hand"}
    arguments = [f"{name}:={topic}" for name, topic in given.items()]
    process = launched(
        "molmoact.launch.py", "nodes:=executor", "robot:=widowx_trajectory", *arguments
    )
    for topic in given.values():
        client.wait_for(lambda t=topic: connected(client, "molmoact_executor", t), topic)
    assert not connected(client, "molmoact_executor", "/wx250s/arm_controller/joint_trajectory")
    ended(process)


@pytest.mark.parametrize("namespace", ["", "left"])
def test_the_robots_side_is_the_drivers_without_arguments(
    launched: Callable, client: Any, namespace: str
) -> None:
    arguments = [f"namespace:={namespace}"] if namespace else []
    process = launched(
        "molmoact.launch.py", "nodes:=executor", "robot:=widowx_trajectory", *arguments
    )
    for name in ("joint_states", "arm_controller/joint_trajectory"):
        topic = f"{'/' + namespace if namespace else ''}/wx250s/{name}"
        client.wait_for(lambda t=topic: connected(client, "molmoact_executor", t), topic)
    ended(process)


def test_two_of_everything(launched: Callable, client: Any, parameters: Path) -> None:
    running = [
        launched(
            "molmoact.launch.py",
            *(f"namespace:={side}", f"checkpoint:={CHECKPOINT}", f"params_file:={parameters}"),
            *("robot:=tabletop", f"cameras:=/{side}/camera"),
        )
        for side in ("left", "right")
    ]
    for side in ("left", "right"):
        topic = f"/{side}/molmoact_policy/action_chunk"
        for ends in (
            client.node.get_publishers_info_by_topic,
            client.node.get_subscriptions_info_by_topic,
        ):
            client.wait_for(lambda ends=ends, t=topic: ends(t), topic)
            assert {end.node_namespace for end in ends(topic)} == {f"/{side}"}
        camera = f"/{side}/camera"
        client.wait_for(lambda t=camera: connected(client, "molmoact_policy", t), camera)
    for process in running:
        ended(process)


def test_a_policy_that_dies_is_started_again_where_it_was(
    launched: Callable, tmp_path: Path, parameters: Path
) -> None:
    arguments = {
        "nodes": "policy",
        "use_respawn": "true",
        "checkpoint": str(CHECKPOINT),
        "params_file": str(parameters),
    }
    wrapper = tmp_path / "group.launch.py"
    file = str(LAUNCH / "molmoact.launch.py")
    wrapper.write_text(IN_A_GROUP.format(arguments=arguments, file=file))
    process = launched(str(wrapper))
    policy = r"policy_node-\d+\]: process started with pid \[(\d+)\]"
    lives = []
    for _ in range(2):
        pid = int(heard(process, policy)[1])
        proc = Path(f"/proc/{pid}")
        command, environment = ((proc / name).read_bytes() for name in ("cmdline", "environ"))
        lives.append((re.sub(rb"launch_params_\w+", b"", command), environment))
        os.kill(pid, signal.SIGKILL)
    assert b"__ns:=/left" in lives[0][0]
    assert lives[0] == lives[1]
    # Who is told to end stays away, and then launch has nothing left to do.
    pid = int(heard(process, policy)[1])
    heard(process, r"left\.molmoact_policy\]: ")
    os.kill(pid, signal.SIGTERM)
    said, _ = process.communicate(timeout=120)
    assert "process has finished cleanly" in said
    assert "started again" not in said
    assert process.returncode == 0


def test_the_demonstrations_graph(launched: Callable, client: Any) -> None:
    from molmoact_ros.demo.graph import demo_graph

    process = launched("demo.launch.py", "instruction:=7")
    names = {spec.name for spec in demo_graph("checkpoint")}
    client.wait_for(lambda: names <= set(client.node.get_node_names()), "all nodes")
    for topic in ("/tabletop/twist", "/molmoact_policy/action_chunk", "/tabletop/ee_pose"):
        client.wait_for(lambda t=topic: connected(client, "molmoact_executor", t), topic)
    ended(process)


def connected(client: Any, node: str, topic: str) -> bool:
    """Return whether a node publishes or subscribes to a topic."""
    ends = client.node.get_publishers_info_by_topic(topic)
    ends += client.node.get_subscriptions_info_by_topic(topic)
    return any(end.node_name == node for end in ends)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("robot:=tabletop",), "launch argument 'checkpoint': give"),
        (("nodes:=executor",), "launch argument 'robot': give"),
        (("nodes:=none",), "launch argument 'nodes' is both, policy or executor"),
        (
            ("nodes:=executor", "robot:=tabletop", "autostart:=maybe"),
            "launch argument 'autostart' is true or false, not 'maybe'",
        ),
    ],
)
def test_wrong_arguments_are_refused(
    launched: Callable, arguments: tuple[str, ...], said: str
) -> None:
    process = launched("molmoact.launch.py", *arguments)
    output, _ = process.communicate(timeout=60)
    assert said in output
    assert process.returncode == 1
