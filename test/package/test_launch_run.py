# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Launch files through the real launch, where it is installed."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from golden_files import CHECKPOINT

ROBOT, DEMO, VIEW = "molmoact.launch.py", "demo.launch.py", "view.launch.py"
LAUNCH = Path(__file__).parents[2] / "launch"
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
# A driver, and beside it ours, for a robot that does not exist.
BESIDE = """
from launch import LaunchDescription
from launch.actions import ExecuteProcess, IncludeLaunchDescription

def generate_launch_description():
    arguments = {{"nodes": "executor", "robot": "nobody"}}.items()
    driver = ExecuteProcess(cmd=["sleep", "1000"])
    ours = IncludeLaunchDescription({file!r}, launch_arguments=arguments)
    return LaunchDescription([driver, ours])
"""
RUN = """
import signal, sys
# Tests that run in the background of a shell inherit that SIGINT is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
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


pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("launch_ros") is None,
    reason="launch_ros is not installed (it is not on PyPI)",
)


@pytest.fixture
def launched(ros_environment: Any) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts a launch file; what still runs at the end is interrupted."""
    running = []

    def launch(file: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(LAUNCH / file), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        running.append(process)
        return process

    yield launch
    for process in running:
        if process.poll() is None:
            interrupt(process)
            process.communicate(timeout=60)
        for left in session(process.pid):
            os.kill(left, signal.SIGKILL)


def interrupt(process: subprocess.Popen[str]) -> None:
    """Do what Ctrl-C does: launch expects that its processes have received SIGINT, too."""
    os.killpg(process.pid, signal.SIGINT)


def session(leader: int) -> dict[int, str]:
    """Return the processes of a session, with their command lines."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text().split("\0")
            if os.getsid(int(process.name)) == leader and any(words):  # not a zombie
                found[int(process.name)] = " ".join(words)
        except OSError:
            continue  # ended meanwhile
    return found


def await_line(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    """Read the output of launch until a line holds a pattern."""
    assert process.stdout is not None
    output = []
    for line in process.stdout:
        output.append(line)
        if found := re.search(pattern, line):
            return found
    raise AssertionError("".join(output))


def ended(process: subprocess.Popen[str]) -> str:
    """Interrupt a launch, check that all ends cleanly, and return the output."""
    interrupt(process)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "Traceback" not in output, output
    assert "process has died" not in output, output
    return output


def test_executor_in_a_namespace(launched: Callable, client: Any) -> None:
    from molmoact_ros.msg import ExecutorStatus

    arguments = ("nodes:=executor", "robot:=tabletop", "namespace:=left", "log_level:=warn")
    process = launched(ROBOT, *arguments)
    statuses = client.listen(ExecutorStatus, "/left/molmoact_executor/status")
    client.wait_for(lambda: statuses, "the executor's status")
    assert "molmoact_policy" not in client.node.get_node_names()
    ended(process)


@pytest.fixture
def parameters(tmp_path: Path) -> Path:
    """Return settings for a checkpoint of random weights."""
    file = tmp_path / "policy.yaml"
    file.write_text(PARAMETERS)
    return file


def test_the_robots_side_is_remapped(launched: Callable, client: Any) -> None:
    given = {"joint_states": "/arm/states", "joint_trajectory": "/arm/path", "gripper": "/hand"}
    arguments = [f"{name}:={topic}" for name, topic in given.items()]
    process = launched(ROBOT, "nodes:=executor", "robot:=widowx_trajectory", *arguments)
    for topic in given.values():
        client.wait_for(lambda t=topic: connected(client, "molmoact_executor", t), topic)
    assert not connected(client, "molmoact_executor", "/wx250s/arm_controller/joint_trajectory")
    ended(process)


@pytest.mark.parametrize("namespace", ["", "left"])
def test_the_robots_side_is_the_drivers_without_arguments(
    launched: Callable, client: Any, namespace: str
) -> None:
    arguments = [f"namespace:={namespace}"] if namespace else []
    process = launched(ROBOT, "nodes:=executor", "robot:=widowx_trajectory", *arguments)
    for name in ("joint_states", "arm_controller/joint_trajectory"):
        topic = f"{'/' + namespace if namespace else ''}/wx250s/{name}"
        client.wait_for(lambda t=topic: connected(client, "molmoact_executor", t), topic)
    ended(process)


def test_two_of_everything(launched: Callable, client: Any, parameters: Path) -> None:
    running = [
        launched(
            ROBOT,
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
            # A topic is known before the name of the node that has it.
            client.wait_for(
                lambda ends=ends, t=topic, s=side: [e.node_namespace for e in ends(t)] == [f"/{s}"],
                f"one end of {topic}",
            )
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
    file = str(LAUNCH / ROBOT)
    wrapper.write_text(IN_A_GROUP.format(arguments=arguments, file=file))
    process = launched(str(wrapper))
    policy = r"policy_node-\d+\]: process started with pid \[(\d+)\]"
    lives = []
    for _ in range(2):
        pid = int(await_line(process, policy)[1])
        proc = Path(f"/proc/{pid}")
        command, environment = ((proc / name).read_bytes() for name in ("cmdline", "environ"))
        lives.append((re.sub(rb"launch_params_\w+", b"", command), environment))
        os.kill(pid, signal.SIGKILL)
    assert b"__ns:=/left" in lives[0][0]
    assert lives[0] == lives[1]
    # Who is asked to end stays away, and then launch has nothing left to do.
    pid = int(await_line(process, policy)[1])
    await_line(process, r"left\.molmoact_policy\]: ")
    os.kill(pid, signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert "process has finished cleanly" in output
    assert "started again" not in output
    assert process.returncode == 0


def test_the_demonstrations_graph(launched: Callable, client: Any) -> None:
    from molmoact_ros.demo.graph import demo_graph

    process = launched(DEMO, "instruction:=7")
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


def refused(process: subprocess.Popen[str]) -> str:
    """Wait for the end of a launch that fails, check that nothing is left, and return its words."""
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1, output
    assert session(process.pid) == {}
    return output


EXECUTOR = ("nodes:=executor", "robot:=tabletop")
POLICY = ("nodes:=policy", f"checkpoint:={CHECKPOINT}")
REFUSED: dict[str, tuple[str, tuple[str, ...], str]] = {
    "no checkpoint": (ROBOT, ("robot:=tabletop",), "launch argument 'checkpoint': give"),
    "checkpoint and server": (
        ROBOT,
        ("robot:=tabletop", f"checkpoint:={CHECKPOINT}", "server:=ws://gpu:1"),
        "launch argument 'checkpoint': give .* and not both",
    ),
    "a server's address": (
        ROBOT,
        ("robot:=tabletop", "server:=gpu:1"),
        "parameter 'server': 'gpu:1' is no address; give ws://host:port",
    ),
    "no robot": (ROBOT, ("nodes:=executor",), "launch argument 'robot': give"),
    "nodes": (ROBOT, ("nodes:=none",), "launch argument 'nodes' is both, policy or executor"),
    "a switch": (
        ROBOT,
        (*EXECUTOR, "autostart:=maybe"),
        "launch argument 'autostart' is true or false, not 'maybe'",
    ),
    "a missing checkpoint": (
        ROBOT,
        ("robot:=tabletop", "checkpoint:=/no/such/place"),
        "there is no directory '/no/such/place'",
    ),
    "an unknown robot": (
        ROBOT,
        ("robot:=nobody", f"checkpoint:={CHECKPOINT}"),
        "no profile 'nobody'; there are: .*tabletop",
    ),
    "a missing file": (ROBOT, (*EXECUTOR, "params_file:=/no/file.yaml"), "/no/file.yaml"),
    "the demo's file": (DEMO, ("params_file:=/no/file.yaml",), "/no/file.yaml"),
    "the view's file": (VIEW, ("rviz:=false", "params_file:=/no/file.yaml"), "/no/file.yaml"),
    "a seed": (DEMO, ("seed:=abc",), "launch argument 'seed' is a whole number, not 'abc'"),
    "a seed below 0": (DEMO, ("seed:=-1",), "parameter 'seed': -1 is not within 0 .. "),
    "the demo's checkpoint": (DEMO, ("checkpoint:=/no/such/place",), "there is no directory"),
    "a transform": (VIEW, ("rviz:=false", "camera_transform:=1 2"), "has 2 parts: '1 2'"),
    "time": (VIEW, ("rviz:=false", "use_sim_time:=now"), "'use_sim_time' is true or false"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_arguments_are_refused_before_a_process_starts(launched: Callable, case: str) -> None:
    file, arguments, words = REFUSED[case]
    output = refused(launched(file, *arguments))
    assert re.search(words, output), output
    assert "Traceback" not in output
    assert "process started" not in output


@pytest.mark.parametrize(
    ("file", "arguments", "package"),
    [
        (ROBOT, (*EXECUTOR, "rviz:=true"), "rviz2"),
        (ROBOT, (*EXECUTOR, "record:=true"), "ros2bag"),
        (VIEW, ("camera_transform:=none",), "rviz2"),
        (VIEW, ("rviz:=false",), "tf2_ros"),
    ],
)
def test_a_missing_package_is_reported_before_a_process_starts(
    launched: Callable, file: str, arguments: tuple[str, ...], package: str
) -> None:
    from ament_index_python.packages import get_packages_with_prefixes

    if package in get_packages_with_prefixes():
        pytest.skip(f"{package} is installed")
    output = refused(launched(file, *arguments))
    name = package.replace("_", "-")
    assert f"needs {package}: sudo apt install ros-$ROS_DISTRO-{name}" in output
    assert "process started" not in output


@pytest.mark.parametrize("line", ["devise: cpu", "threads: 1\n    threads: 2", "max_image_age: 1"])
def test_a_wrong_parameter_file_is_refused_before_a_process_starts(
    launched: Callable, tmp_path: Path, line: str
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(f"/**/molmoact_policy:\n  ros__parameters:\n    {line}\n")
    output = refused(launched(ROBOT, *POLICY, "robot:=tabletop", f"params_file:={file}"))
    assert line.split(":")[0] in output
    assert "process started" not in output


def test_what_others_have_started_ends_too(launched: Callable, tmp_path: Path) -> None:
    wrapper = tmp_path / "beside.launch.py"
    wrapper.write_text(BESIDE.format(file=str(LAUNCH / ROBOT)))
    assert "no profile 'nobody'" in refused(launched(str(wrapper)))


@pytest.mark.parametrize("respawn", ["true", "false"])
def test_a_wrong_setting_that_only_the_node_finds_ends_everything(
    launched: Callable, parameters: Path, respawn: str
) -> None:
    parameters.write_text(PARAMETERS.replace("molmoact,", "nowhere,"))
    process = launched(
        ROBOT,
        *(f"checkpoint:={CHECKPOINT}", f"params_file:={parameters}", "robot:=tabletop"),
        *("log_level:=error", f"use_respawn:={respawn}"),
    )
    output = refused(process)
    assert "error: checkpoint" in output and "'nowhere' not in" in output
    assert "has ended with exit code 78" in output
    assert "started again" not in output


def test_the_executors_death_ends_everything(
    launched: Callable, client: Any, parameters: Path
) -> None:
    arguments = (f"checkpoint:={CHECKPOINT}", f"params_file:={parameters}", "robot:=tabletop")
    process = launched(ROBOT, *arguments)
    pid = int(await_line(process, r"executor_node-\d+\]: process started with pid \[(\d+)\]")[1])
    os.kill(pid, signal.SIGKILL)
    assert "executor_node" in refused(process)
