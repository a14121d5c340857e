# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The demonstration as a command."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest

from molmoact_ros.demo.__main__ import _parse
from molmoact_ros.sim import draw_task
from molmoact_ros.sim.tasks import KINDS

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "molmoact_ros.demo"]
SCRIPTS = sorted([*(ROOT / "scripts").glob("*.sh"), ROOT / ".ci" / "run"])


def nodes_below(folder: Path) -> list[str]:
    """Return the command lines of running nodes that log into a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder) in str((process / "fd" / "1").resolve()):
                found.append((process / "cmdline").read_text())
        except OSError:
            continue  # ended meanwhile
    return found


def test_prints_a_line_per_inference_and_leaves_picture_and_video(
    ros_environment: Any, tmp_path: Path
) -> None:
    command = [*COMMAND, "--steps", "2", "--seed", "3", "--out", str(tmp_path)]
    command += ["--instruction", "reach the green block"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = re.findall(r"#\d+ +[\d.]+ s +\d+ passes .* cm from the green block", done.stdout)
    assert len(lines) == 2, done.stdout
    assert re.search(r"outcome: (reached|not reached within 2 inferences), ", done.stdout)
    picture = cv2.imread(str(tmp_path / "overlay.png"))
    assert picture is not None and picture.shape[0] == 480
    video = cv2.VideoCapture(str(next(tmp_path.glob("demo.*"))))
    frame = video.read()[1]
    assert frame is not None and frame.shape[:2] == picture.shape[:2]
    assert nodes_below(tmp_path) == []


def test_ctrl_c_stops_everything(ros_environment: Any, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "--out", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        # Tests that run in the background of a shell inherit that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert any("instruction: " in line for line in iter(process.stdout.readline, ""))
    assert len(nodes_below(tmp_path)) == 3
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped by Ctrl-C" in out
    assert nodes_below(tmp_path) == []


def test_a_checkpoint_that_is_missing_is_reported(ros_environment: Any, tmp_path: Path) -> None:
    command = [*COMMAND, "--checkpoint", "/no/such/place", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, cwd="/")
    assert done.returncode == 1
    assert "there is no directory '/no/such/place'" in done.stderr
    assert nodes_below(tmp_path) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_is_put_into_words_by_the_seed(kind: str) -> None:
    options = _parse(["--task", kind, "--seed", "4"])
    assert options.instruction == draw_task(kind, 4).instruction


def test_words_are_taken_as_they_are() -> None:
    assert _parse(["--instruction", "fetch me a tea"]).instruction == "fetch me a tea"
    assert _parse([]).instruction == "reach the red block"
    with pytest.raises(SystemExit):
        _parse(["--instruction", "fetch me a tea", "--task", "pick"])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_are_valid_bash(script: Path) -> None:
    subprocess.run([shutil.which("bash") or "bash", "-n", str(script)], check=True)


def test_setup_refuses_unknown_arguments_and_explains_itself() -> None:
    setup = str(ROOT / "scripts" / "setup.sh")
    explained = subprocess.run([setup, "--help"], capture_output=True, text=True, check=True)
    assert "usage: scripts/setup.sh" in explained.stdout
    refused = subprocess.run([setup, "--qick"], capture_output=True, text=True)
    assert refused.returncode == 2
    assert "unknown argument '--qick'" in refused.stderr
