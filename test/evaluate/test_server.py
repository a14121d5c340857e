# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The command with a policy server: the same measurement, in a process without torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from server_process import ServerProcess

from molmoact_ros.demo.graph import default_checkpoint
from molmoact_ros.evaluate.episode import make_episodes
from molmoact_ros.evaluate.workers import Setting, run_episodes

pytestmark = pytest.mark.long
pytest.importorskip("msgpack")
pytest.importorskip("websockets")

ROOT = Path(__file__).parents[2]
BLOCK = "import sys\nsys.modules['torch'] = sys.modules['transformers'] = None\n"


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with ServerProcess(default_checkpoint()) as process:
        yield process


def evaluate(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "sitecustomize.py").write_text(BLOCK)
    words = ["--series", "policy", "--episodes", "1", "--out", str(folder), *options]
    return subprocess.run(
        [sys.executable, "-m", "molmoact_ros.cli.evaluate", *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))},
        capture_output=True, text=True, timeout=170,
    )  # fmt: skip


def measured(folder: Path) -> dict[str, object]:
    report = json.loads((folder / "evaluation.json").read_text())
    (episode,) = report["episodes"]
    return {**report["settings"], **episode}


def test_a_server_is_measured_as_a_checkpoint_is(tmp_path: Path, server: ServerProcess) -> None:
    done = evaluate(tmp_path, "--in-process", "--seconds", "1.5", "--server", server.url)
    assert done.returncode == 0, done.stderr
    report = measured(tmp_path)
    assert report["checkpoint"] == server.url and report["answers"] != 0


def test_a_server_that_refuses_ends_the_command(tmp_path: Path, server: ServerProcess) -> None:
    done = evaluate(tmp_path, "--in-process", "--server", "gpu-pc:8750")
    assert done.returncode == 1
    assert "server 'gpu-pc:8750': 'gpu-pc:8750' is no address" in done.stderr


def test_an_arm_that_a_server_moves_moves_as_by_the_checkpoint(
    tmp_path: Path, server: ServerProcess
) -> None:
    """In simulated time, with raw pictures: to the last bit."""
    options = ("--in-process", "--seconds", "20", "--server", server.url, "--server-images", "raw")
    done = evaluate(tmp_path, *options)
    assert done.returncode == 0, done.stderr
    setting = Setting(
        default_checkpoint(), True, 20.0, 0, 0.5, logs=tmp_path, videos=None, domain=None
    )
    (here,) = run_episodes(setting, make_episodes("policy", "reach", 100_000, 1, "easy"))
    there = measured(tmp_path)
    for name in ("success", "seconds", "final_distance", "path_length", "answers", "passes"):
        assert there[name] == getattr(here, name), name


def test_a_server_is_measured_in_the_graph(tmp_path: Path, server: ServerProcess) -> None:
    """An arm that moves by a server's answers: simulator, policy node and executor."""
    done = evaluate(tmp_path, "--seconds", "100", "--server", server.url)
    assert done.returncode == 0, done.stderr
    report = measured(tmp_path)
    assert report["success"] is True, report
