# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Launch files through the real launch, where it is installed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

LAUNCH = Path(__file__).parents[2] / "launch"
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


def launched(file: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a launch file."""
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(LAUNCH / file), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )


def ended(process: subprocess.Popen[str]) -> str:
    """Interrupt a launch, check that all ends cleanly, and return what was said."""
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert "process has died" not in said
    return said


def test_executor_in_a_namespace(client: Any) -> None:
    from molmoact_ros.msg import ExecutorStatus

    arguments = ("nodes:=executor", "robot:=tabletop", "namespace:=left", "log_level:=warn")
    process = launched("molmoact.launch.py", *arguments)
    heard = client.listen(ExecutorStatus, "/left/molmoact_executor/status")
    client.wait_for(lambda: heard, "the executor's status")
    assert "molmoact_policy" not in client.node.get_node_names()
    ended(process)


def test_the_demonstrations_graph(client: Any) -> None:
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
    ros_environment: Any, arguments: tuple[str, ...], said: str
) -> None:
    process = launched("molmoact.launch.py", *arguments)
    output, _ = process.communicate(timeout=60)
    assert said in output
    assert process.returncode == 1
