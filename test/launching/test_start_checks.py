# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Parameter files and robots that are wrong are known to be before a node starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from golden_files import CHECKPOINT

from molmoact_ros.launching.start_checks import check_executor_node, check_policy_node
from molmoact_ros.ros.parameters import ParameterError, parameters_for, read_parameter_file
from molmoact_ros.ros.running import StartError

ROOT = Path(__file__).parents[2]
NODES = ("molmoact_policy", "molmoact_executor")
SEVERAL = """
/**: {ros__parameters: {use_sim_time: true, device: "cuda:0"}}
/**/molmoact_policy: {ros__parameters: {device: "cuda:1"}}
molmoact_policy: {ros__parameters: {threads: 1}}
left: {molmoact_policy: {ros__parameters: {threads: 2, qos_overrides: {a: {depth: 1}}}}}
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write_file(text: str) -> str:
        file = tmp_path / "parameters.yaml"
        file.write_text(text)
        return str(file)

    return write_file


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (
            "/left/molmoact_policy",
            {"use_sim_time": True, "device": "cuda:1", "threads": 2, "qos_overrides.a.depth": 1},
        ),
        ("/molmoact_policy", {"use_sim_time": True, "device": "cuda:1", "threads": 1}),
        ("/left/molmoact_executor", {"use_sim_time": True, "device": "cuda:0"}),
    ],
)
def test_a_node_gets_the_sections_that_fit_its_name(
    write: Any, node: str, expected: dict[str, Any]
) -> None:
    assert parameters_for(read_parameter_file(write(SEVERAL), NODES), node) == expected


def test_the_shipped_files_are_accepted() -> None:
    for name in ("policy", "demo"):
        file = str(ROOT / "config" / f"{name}.yaml")
        check_policy_node("/molmoact_policy", file, {"checkpoint": str(CHECKPOINT)})
        check_executor_node("/molmoact_executor", file, {"robot": "tabletop"})


WRONG = {
    "unknown node": ("/**/molmoact_polcy: {ros__parameters: {}}", "'/\\*\\*/molmoact_polcy' is"),
    "twice": (
        "/**/molmoact_policy:\n  ros__parameters:\n    threads: 1\n    threads: 2\n",
        "line 4: .*threads.* twice",
    ),
    "no parameters": ("/**/molmoact_policy: {threads: 1}", "'/\\*\\*/molmoact_policy/threads'"),
    "a list": ("policy: [1, true]", "'/policy' must hold nodes"),
    "no mapping": ("/molmoact_policy: {ros__parameters: 1}", "must hold parameters by name"),
    "no YAML": ("/**/molmoact_policy: {", "is not YAML"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused_with_the_place(write: Any, case: str) -> None:
    text, expected = WRONG[case]
    file = write(text)
    with pytest.raises(ParameterError, match=f"{file}.*{expected}"):
        read_parameter_file(file, NODES)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="nothing.yaml.*No such file"):
        read_parameter_file(str(tmp_path / "nothing.yaml"), NODES)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("devise: cpu", "parameter 'devise' is unknown to /molmoact_policy; it has: .*device"),
        ("threads: 1.5", "parameter 'threads': 1.5 is not a whole number"),
        ("threads: -1", "parameter 'threads': -1 is not within 0 .. 256"),
        ("max_image_age: 1", "parameter 'max_image_age': 1 is not a number with a decimal point"),
        ("max_image_age: .nan", "parameter 'max_image_age'"),
        ("instruction: 7", "parameter 'instruction': 7 is not text; quote it"),
        ("autostart: 1", "parameter 'autostart': 1 is not true or false"),
        ("cameras: front", "parameter 'cameras': 'front' is not a list of texts"),
        ("quantization: int3", "parameter 'quantization': 'int3' is not one of int8"),
    ],
)
def test_a_wrong_parameter_of_the_policy_is_refused(write: Any, line: str, expected: str) -> None:
    file = write(f"/**/molmoact_policy:\n  ros__parameters:\n    {line}\n")
    with pytest.raises(ParameterError, match=expected):
        check_policy_node("/molmoact_policy", file, {"checkpoint": str(CHECKPOINT)})


def test_what_ros_accepts_is_accepted(write: Any) -> None:
    lines = 'max_image_age: 5e-1, cameras: [""], use_sim_time: true, qos_overrides: {x: 1}'
    file = write(f"/**/molmoact_policy: {{ros__parameters: {{{lines}}}}}")
    check_policy_node("/molmoact_policy", file, {"checkpoint": str(CHECKPOINT)})


def test_a_missing_checkpoint_and_an_unknown_robot_are_refused(write: Any) -> None:
    file = write("")
    with pytest.raises(StartError, match="there is no directory '/no/such/place'"):
        check_policy_node("/molmoact_policy", file, {"checkpoint": "/no/such/place"})
    with pytest.raises(StartError, match="no profile 'nobody'; there are: .*tabletop"):
        check_executor_node("/molmoact_executor", file, {"robot": "nobody"})
