# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Launch files: run through launch where it is installed, and looked at everywhere."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "launch").glob("*.launch.py"))


def assigned(file: Path, name: str) -> ast.expr:
    """Return what a launch file assigns to a name."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return node.value
    raise AssertionError(f"{file.name} has no {name}")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_argument_has_a_description(file: Path) -> None:
    arguments = assigned(file, "ARGUMENTS")
    assert isinstance(arguments, ast.Dict)
    for value in arguments.values:
        assert isinstance(value, ast.Tuple)
        description = ast.literal_eval(value.elts[1])
        assert description.endswith(".")


def test_every_topic_between_executor_and_robot_is_an_argument() -> None:
    file = ROOT / "launch" / "molmoact.launch.py"
    topics = ast.literal_eval(assigned(file, "EXECUTOR_TOPICS"))
    arguments = assigned(file, "ARGUMENTS")
    assert isinstance(arguments, ast.Dict)
    assert set(topics) <= {ast.literal_eval(key) for key in arguments.keys if key is not None}
    text = (ROOT / "docs" / "topics.md").read_text(encoding="utf-8")
    section = text.split("## molmoact_executor\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `~/(\w+)` \| \S+ \| (?:publishes|subscribes) ", section, re.MULTILINE)
    of_people = {
        "status",
        "operator_heartbeat",
        "teleop",
        "teleop_joints",
        "teleop_gripper",
        "human",
    }
    assert set(rows) - of_people == set(topics)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_launch_accepts_the_file(file: Path, ros_environment: Any) -> None:
    if importlib.util.find_spec("launch_ros") is None:
        pytest.skip("launch_ros is not installed (it is not on PyPI)")
    from launch.launch_description_sources import get_launch_description_from_python_launch_file

    description = get_launch_description_from_python_launch_file(str(file))
    names = {argument.name for argument in description.get_launch_arguments()}
    assert {"namespace", "params_file", "log_level"} <= names


def test_the_demo_graph_is_connected(ros_environment: Any) -> None:
    from molmoact_ros.demo.graph import demo_graph

    nodes = {spec.name: spec for spec in demo_graph("/checkpoint", seed=3, instruction="go")}
    assert list(nodes) == ["tabletop", "molmoact_policy", "molmoact_executor"]
    assert nodes["tabletop"].parameters == {"seed": 3}
    assert nodes["molmoact_policy"].parameters == {"checkpoint": "/checkpoint", "instruction": "go"}
    for spec in nodes.values():
        assert all(file.is_file() for file in spec.parameter_files)
    targets = {t for spec in nodes.values() for t in spec.remappings.values()}
    assert {"tabletop/camera/image", "molmoact_policy/action_chunk", "tabletop/twist"} <= targets
