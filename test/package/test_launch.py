# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Launch files: run through launch where it is installed, and looked at everywhere."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "launch").glob("*.launch.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_argument_has_a_description(file: Path) -> None:
    tree = ast.parse(file.read_text())
    values = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ARGUMENTS"
    ]
    assert len(values) == 1
    assert isinstance(values[0], ast.Dict)
    for value in values[0].values:
        assert isinstance(value, ast.Tuple)
        description = ast.literal_eval(value.elts[1])
        assert description.endswith(".")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_launch_accepts_the_file(file: Path, ros_environment: Any) -> None:
    pytest.importorskip("launch_ros", reason="launch and launch_ros are not on PyPI")
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
