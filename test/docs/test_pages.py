# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Links, files and tests that the pages name exist; README and architecture show every folder."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = {
    str(page.relative_to(ROOT)): page.read_text(encoding="utf-8")
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "training/README.md"]
}
LINKS = {
    page: [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    for page, text in sorted(PAGES.items())
}
FILES = {
    page: sorted(set(re.findall(r"(?<![\w/.:~$-])([\w.-]+(?:/[\w.-]+)+\.(?:py|sh|yaml|xml|rst))\b",
                                re.sub(r"\w+://\S+", "", text))))
    for page, text in sorted(PAGES.items())
}  # fmt: skip
TESTS = {page: re.findall(r"`([\w/]+\.py)::(\w+)`", text) for page, text in sorted(PAGES.items())}
FOLDERS = sorted(
    file.parent.name
    for file in (ROOT / "molmoact_ros").glob("*/__init__.py")
    if file.parent.name not in ("msg", "action")
)
# Of other packages, by the sentence around them.
FOREIGN = {"config/franka_gripper_node.yaml"}


def test_the_pages_hold_what_is_checked_here() -> None:
    """Otherwise the tests below would pass by finding nothing."""
    assert len(PAGES) >= 17
    assert sum(map(len, LINKS.values())) > 100
    assert len(LINKS["README.md"]) > 15 and len(LINKS["docs/integration.md"]) > 8
    assert sum(map(len, FILES.values())) > 100
    assert len(FILES["docs/architecture.md"]) > 40 and len(FILES["docs/fidelity.md"]) > 10
    assert len(TESTS["docs/troubleshooting.md"]) > 40 and len(TESTS["docs/safety.md"]) >= 5
    assert len(FOLDERS) > 15


@pytest.mark.parametrize("page", [page for page, links in LINKS.items() if links])
def test_links_have_a_target(page: str) -> None:
    for target in LINKS[page]:
        name, _, anchor = target.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        assert file.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in slugs, target


@pytest.mark.parametrize("page", [page for page, files in FILES.items() if files])
def test_named_files_exist(page: str) -> None:
    """From the root, from the package, from test/ (where tests are named) or from the page."""
    places = (ROOT, ROOT / "molmoact_ros", ROOT / "test", (ROOT / page).parent)
    missing = [
        name
        for name in set(FILES[page]) - FOREIGN
        if "NAME" not in name  # that the reader chooses
        and not any((place / name).is_file() for place in places)
    ]
    assert missing == []


@pytest.mark.parametrize("page", [page for page, tests in TESTS.items() if tests])
def test_named_tests_exist(page: str) -> None:
    for file, name in TESTS[page]:
        tree = ast.parse((ROOT / "test" / file).read_text(encoding="utf-8"))
        assert name in {part.name for part in tree.body if isinstance(part, ast.FunctionDef)}, name


def test_every_fault_of_the_policy_node_names_its_test() -> None:
    text = PAGES["docs/troubleshooting.md"]
    section = text.split("## What the policy node does with bad input\n", 1)[1].split("\n## ")[0]
    header, _, *rows = [line for line in section.splitlines() if line.startswith("|")]
    assert header == "| Fault | What happens | Test |"
    assert len(rows) > 20
    assert all(re.fullmatch(r"\| .+ \| .+ \| `[\w/]+\.py::\w+` \|", row) for row in rows)


def test_every_promise_of_the_executor_names_its_code_and_its_test() -> None:
    text = PAGES["docs/safety.md"]
    promises = re.findall(r"^(\d)\. \*\*", text, re.MULTILINE)
    rows = re.findall(r"^\| (\d).* \| .+ \| `[\w/]+\.py::\w+` \|$", text, re.MULTILINE)
    assert set(rows) == set(promises) == {"1", "2", "3", "4"}


def test_the_readme_is_short() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 130


@pytest.mark.parametrize(
    "page, title", [("README.md", "Code map"), ("docs/architecture.md", "Layers")]
)
def test_every_folder_is_in_the_map(page: str, title: str) -> None:
    section = PAGES[page].split(f"## {title}\n", 1)[1].split("\n## ")[0]
    table = "\n".join(line for line in section.splitlines() if line.startswith("|"))
    assert [name for name in FOLDERS if f"`{name}`" not in table] == []


def test_bad_times_on_the_clock_are_described_as_they_are() -> None:
    """Each node drops such a message and counts it: no thread of its own fails."""
    [row] = [line for line in PAGES["docs/troubleshooting.md"].splitlines()
             if line.startswith("| a negative time in `/clock` |")]  # fmt: skip
    assert "each node drops" in row and "thread" not in row.split("|")[2]
