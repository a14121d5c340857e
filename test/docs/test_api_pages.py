# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The API pages build without a warning and contain every public class and function."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "api").glob("*.rst"))


@pytest.mark.long
def test_the_api_pages_build_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="sphinx is of scripts/requirements/develop.txt")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q"]
    built = subprocess.run(
        [*command, str(ROOT / "docs" / "api"), str(tmp_path)], capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    packages = [page.stem for page in PAGES if page.stem != "index"]
    assert len(packages) > 5
    for name in packages:
        module = importlib.import_module(f"molmoact_ros.{name}")
        page = (tmp_path / f"{name}.html").read_text(encoding="utf-8")
        public = [getattr(module, entry) for entry in module.__all__]
        shown = [entry for entry in public if inspect.isclass(entry) or inspect.isfunction(entry)]
        assert shown, name
        missing = [
            entry.__name__
            for entry in shown
            if f'id="{module.__name__}.{entry.__name__}"' not in page
        ]
        assert missing == [], name


def test_the_index_lists_every_page() -> None:
    index = (ROOT / "docs" / "api" / "index.rst").read_text(encoding="utf-8")
    listed = index.split(":maxdepth: 2\n", 1)[1].split()
    assert sorted(listed) == [page.stem for page in PAGES if page.stem != "index"]
    packages = (ROOT / "molmoact_ros").glob("*/__init__.py")
    public = {file.parent.name for file in packages if "__all__" in file.read_text("utf-8")}
    assert public - {"replay", "selfcheck"} == set(listed), "these are commands, not interfaces"
