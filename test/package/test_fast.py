# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""scripts/test.sh --fast: what it explains, and what it leaves out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_script_explains_it() -> None:
    command = [str(ROOT / "scripts" / "test.sh"), "--help"]
    explained = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "--fast" in explained and "left out" in explained


def test_what_starts_processes_is_left_out_and_listed() -> None:
    command = [sys.executable, "-m", "pytest", "--fast", "--collect-only", "-q"]
    done = subprocess.run(
        [*command, "test/demo", "test/sim/test_tasks.py"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test/sim/test_tasks.py::" in done.stdout
    assert "test/demo/test_demo" not in done.stdout.split("left out: ")[0]
    assert "left out: test/demo: " in done.stdout
    assert " graph, " in done.stdout and " process" in done.stdout
