# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""molmoact-inspect --params: the node's parameters file, checked as the node checks it."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from golden_files import CHECKPOINT

from molmoact_ros.cli.inspect import main

pytest.importorskip("rclpy")
pytest.importorskip("molmoact_ros.msg")

ROOT = Path(__file__).parents[2]
SOUND = {
    "checkpoint": str(CHECKPOINT),
    "unnorm_key": "molmoact",
    "device": "cpu",
    "dtype": "float32",
    "control_period": 0.1,
    "instruction": "close the box",
}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "control_period": ({"control_period": 0.0}, "parameter 'control_period': give the time"),
    "unnorm_key": ({"unnorm_key": "typo"}, "'typo' not in"),
    "cameras": ({"cameras": ["a", "a"]}, "parameter 'cameras': names one camera twice"),
    "topics": ({"image_topics": ["/a", "/b"]}, "parameter 'image_topics': 2 topics for the 1"),
    "names": ({"action_names": ["x", "y"]}, "parameter 'action_names': 2 names (x, y), but"),
    "instruction": ({"instruction": "say <DEPTH_1>"}, "reserved token '<DEPTH_1>'"),
    "checkpoint": ({"checkpoint": "/nowhere/at/all"}, "there is no directory '/nowhere/at/all'"),
    "type": ({"rows": 2.5}, "parameter 'rows': 2.5 is not a whole number"),
    "unknown": ({"chekpoint": "x"}, "parameter 'chekpoint' is unknown to molmoact_policy"),
}


def _file(folder: Path, **changes: object) -> str:
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": {**SOUND, **changes}}}))
    return str(path)


def _output(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return " ".join((captured.out + captured.err).split())


def test_sound_parameters_have_no_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--params", _file(tmp_path)]) == 0
    assert _output(capsys).endswith("No problems.")


@pytest.mark.parametrize("case", ["topics", "names", "checkpoint", "type", "unknown"])
def test_what_the_node_would_refuse(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes, expected = WRONG[case]
    assert main(["--params", _file(tmp_path, **changes)]) == 1
    assert expected in _output(capsys)


def test_all_problems_are_listed_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = ("control_period", "unnorm_key", "cameras", "instruction")
    changes = {key: value for case in cases for key, value in WRONG[case][0].items()}
    assert main(["--params", _file(tmp_path, **changes)]) == 1
    output = _output(capsys)
    assert "Problems (4)" in output and all(WRONG[case][1] in output for case in cases)


def test_a_checkpoint_beside_the_file_goes_before_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = _file(tmp_path, checkpoint="/nowhere/at/all")
    assert main([str(CHECKPOINT), "--params", file]) == 0
    assert main(["--params", file, "--profile", "none.yaml"]) == 1
    assert "/nowhere/at/all" in _output(capsys)


def test_the_node_is_chosen_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "two.yaml"
    sections = {f"/{side}/molmoact_policy": {"ros__parameters": dict(SOUND)} for side in ("l", "r")}
    path.write_text(yaml.safe_dump(sections))
    assert main(["--params", str(path)]) == 1
    assert "it has some for /l/molmoact_policy, /r/molmoact_policy" in _output(capsys)
    assert main(["--params", str(path), "--node", "/r/molmoact_policy"]) == 0


def test_neither_checkpoint_nor_file(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2 and "give a checkpoint or --params" in capsys.readouterr().err


# Prints the seconds of imports and of the command, its processor time and the memory of its peak.
TIMED = """
import json, resource, sys, time
begin = time.monotonic()
import torch, transformers, rclpy
from molmoact_ros.cli.inspect import main
imported, used = time.monotonic(), time.process_time()
code = main(sys.argv[1:])
print(json.dumps({
    "code": code, "imports": imported - begin, "wall": time.monotonic() - imported,
    "cpu": time.process_time() - used,
    "peak": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
}))
"""


@pytest.fixture(scope="module")
def full_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sparse files with names, shapes and sizes of MolmoAct-7B-D: 32.5 GB that take no room."""
    from benchmarks.full_size import make_checkpoint

    return make_checkpoint(tmp_path_factory.mktemp("full") / "checkpoint", "F32")


@pytest.mark.long
def test_the_flagship_at_full_size_is_refused_after_seconds(
    full_size: Path, tmp_path: Path
) -> None:
    """Processor time, because other processes run beside; the first run warms the cache."""
    file = _file(tmp_path, checkpoint=str(full_size), control_period=0.0, dtype="bfloat16")
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", TIMED, "--params", file],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    output = " ".join(done.stdout.replace("!", "").split())
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["code"] == 1, done.stderr
    assert "parameter 'control_period': give the time between two rows of actions" in output
    assert "the checkpoint's profile 'molmoact_7b_d_0812' does not say" in output
    assert figures["cpu"] < 5.0 and figures["peak"] < 2e9, figures


@pytest.mark.long
def test_the_node_refuses_the_flagship_without_reading_a_weight(
    full_size: Path, ros_environment: dict[str, str]
) -> None:
    """A process of its own, judged from outside: exit code, words, time and memory."""
    from molmoact_ros.demo.graph import NodeSpec
    from molmoact_ros.demo.processes import command
    from molmoact_ros.ros.running import CONFIGURATION_ERROR

    spec = NodeSpec(
        "policy_node",
        "flagship",
        parameters={"checkpoint": str(full_size), "device": "cpu", "dtype": "bfloat16"},
    )
    begin = time.monotonic()
    process = subprocess.Popen(command(spec), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    output = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == CONFIGURATION_ERROR
    assert "error: parameter 'control_period': give the time" in output
    assert "Traceback" not in output
    assert 1024 * usage.ru_maxrss < 2e9, f"after {time.monotonic() - begin:.0f} s"


@pytest.mark.long
def test_the_command_needs_no_ros_without_parameters() -> None:
    """As on a workstation without ROS: the import of rclpy fails."""
    assert importlib.util.find_spec("rclpy")
    code = (
        "import sys; sys.modules['rclpy'] = None\n"
        "from molmoact_ros.cli.inspect import main\n"
        f"raise SystemExit(main([{str(CHECKPOINT)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
