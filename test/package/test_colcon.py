# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The package builds with colcon, and the result runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(900)  # s; it compiles


@pytest.fixture(scope="module")
def install(ros_environment: Any, tmp_path_factory: Any) -> Path:
    """Build in a workspace of its own, with links to the sources."""
    if shutil.which("colcon") is None:
        pytest.skip("colcon is not installed")
    workspace = tmp_path_factory.mktemp("workspace")
    (workspace / "src").mkdir()
    (workspace / "src" / "molmoact_ros").symlink_to(ROOT)
    command = ["colcon", "build", "--symlink-install", "--cmake-args", "-DBUILD_TESTING=OFF"]
    command.append(f"-DPython3_EXECUTABLE={sys.executable}")
    done = subprocess.run(command, cwd=workspace, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return workspace / "install"


def run(install: Path, command: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    script = f"source {install}/setup.bash && {command}"
    return subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=environment, cwd="/"
    )


def test_code_and_messages_come_from_the_workspace(install: Path) -> None:
    code = "import molmoact_ros.msg as m, molmoact_ros.control as c; print(m.__file__, c.__file__)"
    done = run(install, f'{sys.executable} -c "{code}"')
    assert done.returncode == 0, done.stderr
    assert all(path.startswith(str(install)) for path in done.stdout.split())


def test_an_executable_starts_from_the_workspace(install: Path) -> None:
    program = install / "molmoact_ros" / "lib" / "molmoact_ros" / "executor_node"
    done = run(install, f"{program} --ros-args -p robot:=nobody")
    assert done.returncode == 78
    assert "no profile 'nobody'" in done.stderr


def test_sources_are_linked(install: Path) -> None:
    packages = next((install / "molmoact_ros" / "lib").glob("python*/site-packages/molmoact_ros"))
    assert (packages / "yaml_config.py").resolve() == ROOT / "molmoact_ros" / "yaml_config.py"
    assert (install / "molmoact_ros" / "share" / "molmoact_ros" / "config").is_dir()
