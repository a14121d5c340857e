# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Commands and links in the documentation name things that exist."""

import argparse
import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md")) + [ROOT / "README.md"]
IDS = [page.stem for page in PAGES]


def commands(page: Path) -> Iterator[list[str]]:
    """Return the commands of the page's bash blocks, line continuations joined."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^```bash\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
        block = re.sub(r"<<'(\w+)'\n.*?^\1$", "", block, flags=re.DOTALL | re.MULTILINE)
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip() and not line.lstrip().startswith("#"):
                yield shlex.split(line, comments=True)


def launch_arguments(file: str) -> set[str]:
    tree = ast.parse((ROOT / "launch" / file).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ARGUMENTS":
            assert isinstance(node.value, ast.Dict)
            return {key.value for key in node.value.keys if isinstance(key, ast.Constant)}
    raise AssertionError(f"{file} has no ARGUMENTS")


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_launch_arguments_exist(page: Path) -> None:
    for words in commands(page):
        if words[:3] != ["ros2", "launch", "molmoact_ros"]:
            continue
        assert (ROOT / "launch" / words[3]).is_file(), words
        given = {word.split(":=")[0] for word in words[4:]}
        assert given <= launch_arguments(words[3]), words
        assert all(not word.endswith(":=") for word in words), "launch takes no empty value"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_executables_and_their_parameters_exist(
    page: Path, interfaces: dict[str, list[Any]]
) -> None:
    parameters = (ROOT / "docs" / "parameters.md").read_text(encoding="utf-8")
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    for words in commands(page):
        if words[:3] != ["ros2", "run", "molmoact_ros"]:
            continue
        assert f'"{words[3]}=' in cmake, words
        node = f"molmoact_{words[3].removesuffix('_node')}"
        section = parameters.split(f"## {node}\n", 1)[1].split("\n## ", 1)[0]
        topics = {row.name for row in interfaces[node]}
        for option, value in zip(words, words[1:], strict=False):
            if option == "-p":
                assert f"| `{value.split(':=')[0]}` |" in section, words
            if option == "-r" and value.startswith("~/"):
                assert value.split(":=")[0].replace("~", f"/{node}") in topics, words


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_topics_and_services_exist(page: Path, interfaces: dict[str, list[Any]]) -> None:
    known = {row.name: row.type for rows in interfaces.values() for row in rows}
    for words in commands(page):
        names = [word for word in words if re.match(r"/(molmoact_\w+|tabletop)/", word)]
        for name in names:
            assert name in known, words
        if words[:3] == ["ros2", "service", "call"]:
            assert known[words[3]] == words[4], words
        if words[:2] == ["ros2", "action"]:
            assert known[names[0]] in words, words
        if words[:3] == ["ros2", "topic", "pub"] and names:
            assert known[names[0]] in words, words


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_options_of_the_commands_exist(page: Path) -> None:
    pytest.importorskip("torch")
    from molmoact_ros.cli import evaluate, inspect, predict, replay, selfcheck

    mains = {
        "molmoact-evaluate": evaluate.main,
        "molmoact-inspect": inspect.main,
        "molmoact-predict": predict.main,
        "molmoact-replay": replay.main,
        "molmoact-selfcheck": selfcheck.main,
    }
    for words in commands(page):
        if words and words[0] in mains:
            arguments = [word for word in words[1:] if not word.startswith(">")]
            # Parsing them is enough: what comes after is another test's.
            with patch.object(argparse.ArgumentParser, "parse_args", _parse_only):
                with pytest.raises(_ParsedError):
                    mains[words[0]](arguments)


class _ParsedError(Exception):
    """The arguments were accepted."""


def _parse_only(parser: argparse.ArgumentParser, arguments: Any = None) -> Any:
    parser.parse_known_args(arguments)
    _, unknown = parser.parse_known_args(arguments)
    assert not unknown, unknown
    raise _ParsedError


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in slugs, target
