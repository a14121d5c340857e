# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What ament_copyright, ament_xmllint and Humble's Python check.

The rest of ament's linters for Python, flake8 and pep257, is ruff in scripts/test.sh; that bash
reads the scripts is test/demo/test_demo.py's.
"""

from __future__ import annotations

import ast
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("molmoact_ros", "launch", "scripts", "test", "training", "benchmarks", "cmake")
PROGRAMS = sorted(
    [
        *(file for folder in FOLDERS for kind in ("py", "sh", "in") for file in
          (ROOT / folder).rglob(f"*.{kind}")),
        *(ROOT / name for name in ("setup.py", "CMakeLists.txt", ".ci/run")),
    ]
)  # fmt: skip
HEADER = [
    "# Copyright 2026 molmoact_ros contributors",
    "# SPDX-License-Identifier: Apache-2.0",
]
HUMBLE = (3, 10)  # its Python


def test_every_program_begins_with_its_copyright_and_licence() -> None:
    assert len(PROGRAMS) > 200
    wrong = []
    for file in PROGRAMS:
        lines = file.read_text(encoding="utf-8").splitlines()
        start = 1 if lines and lines[0].startswith("#!") else 0
        if lines[start : start + 2] != HEADER:
            wrong.append(str(file.relative_to(ROOT)))
    assert wrong == []


def test_the_licence_is_here() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")[:300]


def test_package_xml_follows_rep_149() -> None:
    package = pytest.importorskip("catkin_pkg.package")
    problems: list[str] = []
    parsed = package.parse_package(str(ROOT / "package.xml"), warnings=problems)
    parsed.validate(warnings=problems)
    assert parsed.package_format == 3
    assert problems == []


@pytest.mark.parametrize("file", sorted((ROOT / "config").rglob("*.xml")), ids=lambda f: f.name)
def test_xml_is_well_formed(file: Path) -> None:
    ElementTree.parse(file)


def test_pythons_syntax_is_that_of_humble() -> None:
    for file in PROGRAMS:
        if file.suffix == ".py":
            ast.parse(file.read_text(encoding="utf-8"), str(file), feature_version=HUMBLE)
