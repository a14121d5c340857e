# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The command as a process: from any folder, its options, and workers that end with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
_COMMAND = [
    *(sys.executable, "-m", "molmoact_ros.cli.evaluate"),
    *("--in-process", "--series", "none", "--episodes", "5000", "--workers", "2"),
]


def _is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


def _workers(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in _command_line(child)]


def _command_line(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""  # it has ended since


def _until(ready: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_workers_die_with_the_command(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*_COMMAND, "--out", str(tmp_path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as command:
        _until(lambda: len(_workers(command.pid)) == 2)
        workers = _workers(command.pid)
        command.kill()
    _until(lambda: not any(_is_alive(pid) for pid in workers))


def test_the_expert_needs_no_source_tree(tmp_path: Path) -> None:
    """The command runs in any folder, without the repository on the path."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    words = ["--in-process", "--series", "expert", "--episodes", "1", "--out", "results"]
    done = subprocess.run(
        [sys.executable, "-m", "molmoact_ros.cli.evaluate", *words],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "| reach | expert | 1 of 1 |" in (tmp_path / "results" / "evaluation.md").read_text()


def _measured(out: Path, *options: str) -> Any:
    words = ["--cell", str(ROOT / "config" / "cells" / "camera_turned.yaml"), "--out", str(out)]
    words += ["--episodes", "2", "--first-seed", "700001", *options]
    done = subprocess.run(
        [sys.executable, "-m", "molmoact_ros.cli.evaluate", *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads((out / "evaluation.json").read_text())


@pytest.mark.long
@pytest.mark.parametrize(
    "mode", [("--in-process", "--seconds=3"), ("--seconds=10",)], ids=["in process", "graph"]
)
def test_constrained_answers_keep_their_form(tmp_path: Path, mode: tuple[str, ...]) -> None:
    """A camera that the shipped checkpoint does not know.

    Answers are well-formed in the first scene, malformed in the second.
    """
    plain = _measured(tmp_path / "plain", *mode)
    constrained = _measured(tmp_path / "constrained", *mode, "--constrained")
    assert not plain["settings"]["constrained"] and constrained["settings"]["constrained"]
    (before,), (after,) = plain["summary"], constrained["summary"]
    assert before["refused_answers"] >= 3, "the scene shows nothing"
    assert after["answers"] > 2 and after["refused_answers"] <= 1
