# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/topics.md."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Interface:
    """One row of a table: a topic or a service of a node."""

    name: str
    type: str
    direction: str
    qos: str = ""


@pytest.fixture(scope="session")
def interfaces() -> dict[str, list[Interface]]:
    """Return the documented interfaces by node, private and relative names written out."""
    text = (ROOT / "docs" / "topics.md").read_text(encoding="utf-8")
    found: dict[str, list[Interface]] = {}
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        node = section.split("\n", 1)[0].strip()
        for line in section.splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) >= 4 and re.fullmatch(r"`[~/\w].*`", cells[0]):
                name = cells[0].strip("`").replace("~", f"/{node}")
                name = name if name.startswith("/") else f"/{name}"
                qos = cells[3] if len(cells) == 5 else ""
                found.setdefault(node, []).append(Interface(name, cells[1], cells[2], qos))
    return found
