# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Imports point downwards through the layers of pyproject.toml; files and folders stay small."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "molmoact_ros"
MAX_LINES = 400  # of a file
MAX_MODULES = 20  # of a folder, without its __init__.py


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("lint-imports") is None:
        pytest.skip("import-linter is not installed")
    command = ["lint-imports", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_imports_point_downwards() -> None:
    found = lint_imports(ROOT)
    assert found.returncode == 0, found.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "molmoact_ros", ignore=ignored)
    yield tmp_path


@pytest.mark.parametrize(
    "module, line, layer",
    [
        ("control/chunk.py", "import molmoact_ros.ros.qos", "molmoact_ros.control"),
        ("policy_node/node.py", "import molmoact_ros.executor_node", "molmoact_ros.policy_node"),
        ("answer/stats.py", "def f():\n    import molmoact_ros.model.files", "molmoact_ros.answer"),
    ],
)
def test_an_import_upwards_is_found(copy: Path, module: str, line: str, layer: str) -> None:
    with (copy / "molmoact_ros" / module).open("a") as file:
        file.write(f"\n{line}\n")
    found = lint_imports(copy)
    assert found.returncode == 1
    assert f"{layer} is not allowed to import" in found.stdout


def test_a_new_folder_must_have_a_layer(copy: Path) -> None:
    folder = copy / "molmoact_ros" / "elsewhere"
    folder.mkdir()
    (folder / "__init__.py").touch()
    found = lint_imports(copy)
    assert found.returncode == 1 and "elsewhere" in found.stdout


def test_files_and_folders_stay_small() -> None:
    files = sorted(PACKAGE.rglob("*.py"))
    lines = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    assert len(files) > 100
    assert [file for file, count in lines.items() if count > MAX_LINES] == []
    folders = {file.parent for file in files}
    assert [folder for folder in folders if len(list(folder.glob("*.py"))) - 1 > MAX_MODULES] == []
