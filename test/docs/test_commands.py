# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Commands in the documentation name things that exist."""

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
PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "training/README.md")),
]


def commands(page: Path) -> Iterator[list[str]]:
    """Return the commands of the page's bash blocks, line continuations joined."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^```bash\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
        block = re.sub(r"<<'(\w+)'\n.*?^\1$", "", block, flags=re.DOTALL | re.MULTILINE)
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip() and not line.lstrip().startswith("#"):
                yield shlex.split(line, comments=True)


COMMANDS = {str(page.relative_to(ROOT)): list(commands(page)) for page in PAGES}
LAUNCH = ("ros2", "launch", "molmoact_ros")
RUN = ("ros2", "run", "molmoact_ros")
TOOLS = (
    "molmoact-dataset",
    "molmoact-evaluate",
    "molmoact-finetune",
    "molmoact-inspect",
    "molmoact-predict",
    "molmoact-record",
    "molmoact-replay",
    "molmoact-selfcheck",
    "molmoact-serve",
)


def starting_with(*start: str) -> list[Any]:
    """Return the commands that start with these words, a parameter for each page that has any."""
    found = {
        page: [words for words in lines if tuple(words[: len(start)]) == start]
        for page, lines in COMMANDS.items()
    }
    return [pytest.param(lines, id=page) for page, lines in found.items() if lines]


def naming(pattern: str) -> list[Any]:
    """Return the commands with a word that begins so, a parameter for each page that has any."""
    found = {
        page: [words for words in lines if any(re.match(pattern, word) for word in words)]
        for page, lines in COMMANDS.items()
    }
    return [pytest.param(lines, id=page) for page, lines in found.items() if lines]


@pytest.mark.parametrize(
    "found, pages, least",
    [
        (starting_with(*LAUNCH), {"README.md", "docs/quickstart.md", "docs/integration.md"}, 8),
        (starting_with(*RUN), {"docs/security.md"}, 2),
        (naming("molmoact-"), {"docs/quickstart.md", "docs/checkpoints.md", "docs/tabletop.md"}, 8),
        (naming(r"/(molmoact_\w+|tabletop)/"), {"docs/quickstart.md", "docs/security.md"}, 12),
        (starting_with("python", "-m"), {"docs/tabletop.md", "CONTRIBUTING.md"}, 5),
    ],
    ids=["launch", "run", "tools", "names", "modules"],
)
def test_the_pages_hold_commands(found: list[Any], pages: set[str], least: int) -> None:
    """Otherwise the tests below would pass by finding nothing."""
    assert pages <= {parameter.id for parameter in found}
    assert sum(len(parameter.values[0]) for parameter in found) >= least


def launch_arguments(file: str) -> set[str]:
    tree = ast.parse((ROOT / "launch" / file).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ARGUMENTS":
            assert isinstance(node.value, ast.Dict)
            return {ast.literal_eval(key) for key in node.value.keys if key is not None}
    raise AssertionError(f"{file} has no ARGUMENTS")


@pytest.mark.parametrize("found", starting_with(*LAUNCH))
def test_launch_arguments_exist(found: list[list[str]]) -> None:
    for words in found:
        assert (ROOT / "launch" / words[3]).is_file(), words
        given = {word.split(":=")[0] for word in words[4:] if word != "--show-args"}
        assert given <= launch_arguments(words[3]), words
        assert all(not word.endswith(":=") for word in words), "launch takes no empty value"


@pytest.mark.parametrize("found", starting_with(*RUN))
def test_executables_and_their_parameters_exist(
    found: list[list[str]], interfaces: dict[str, list[Any]]
) -> None:
    parameters = (ROOT / "docs" / "parameters.md").read_text(encoding="utf-8")
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    for words in found:
        assert f'"{words[3]}=' in cmake, words
        node = f"molmoact_{words[3].removesuffix('_node')}"
        section = parameters.split(f"## {node}\n", 1)[1].split("\n## ", 1)[0]
        topics = {row.name for row in interfaces.get(node, ())}
        for option, value in zip(words, words[1:], strict=False):
            if option == "-p":
                assert f"| `{value.split(':=')[0]}` |" in section, words
            if option == "-r" and value.startswith("~/"):
                assert value.split(":=")[0].replace("~", f"/{node}") in topics, words


@pytest.mark.parametrize("found", naming(r"/(molmoact_\w+|tabletop)/"))
def test_topics_and_services_exist(
    found: list[list[str]], interfaces: dict[str, list[Any]]
) -> None:
    known = {row.name: row.type for rows in interfaces.values() for row in rows}
    for words in found:
        names = [word for word in words if re.match(r"/(molmoact_\w+|tabletop)/", word)]
        for name in names:
            assert name in known, words
        if words[:3] == ["ros2", "service", "call"]:
            assert known[words[3]] == words[4], words
        if words[:2] == ["ros2", "action"]:
            assert known[names[0]] in words, words
        if words[:3] == ["ros2", "topic", "pub"] and names:
            assert known[names[0]] in words, words


@pytest.mark.parametrize("found", [p for tool in TOOLS for p in starting_with(tool)])
def test_options_of_the_commands_exist(found: list[list[str]]) -> None:
    pytest.importorskip("torch")
    from molmoact_ros.cli import (
        dataset,
        evaluate,
        finetune,
        inspect,
        predict,
        record,
        replay,
        selfcheck,
        serve,
    )

    modules = (dataset, evaluate, finetune, inspect, predict, record, replay, selfcheck, serve)
    mains = {tool: module.main for tool, module in zip(TOOLS, modules, strict=True)}
    for words in found:
        arguments = [word for word in words[1:] if not word.startswith(">")]
        # Parsing them is enough: what comes after is another test's.
        with patch.object(argparse.ArgumentParser, "parse_args", _parse_only):
            with pytest.raises(_ParsedError):
                mains[words[0]](arguments)


MODULE = r"python -m (?:benchmarks|training)\.[\w.]+(?: -{0,2}[\w.-]+)*"


def modules() -> list[str]:
    """Return the commands of benchmarks and training in blocks and within sentences."""
    texts = (page.read_text(encoding="utf-8") for page in PAGES)
    return sorted({command for text in texts for command in re.findall(MODULE, text)})


def test_modules_are_found() -> None:
    named = {command.split()[2].rsplit(".", 1)[-1] for command in modules()}
    assert {"fault_drill", "ablations", "executor_fuzz", "make_checkpoint"} <= named


@pytest.mark.parametrize("command", [c for c in modules() if "NAME" not in c])
def test_modules_and_their_options_exist(command: str) -> None:
    name, *words = shlex.split(command)[2:]
    path = ROOT / name.replace(".", "/")
    file = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    text = file.read_text(encoding="utf-8")
    assert 'if __name__ == "__main__"' in text
    for option in (word for word in words if word.startswith("--") and word != "--help"):
        assert f'"{option}"' in text, f"{option} of {command}"


def test_scripts_and_their_options_exist() -> None:
    programs = {
        "./scripts/demo.sh": ROOT / "molmoact_ros" / "demo" / "__main__.py",
        "./scripts/demo_finetune.sh": ROOT / "benchmarks" / "finetune" / "__main__.py",
    }
    found = [words for lines in COMMANDS.values() for words in lines if "scripts/" in words[0]]
    assert len(found) > 5
    for script, *words in found:
        files = [ROOT / script, *filter(None, [programs.get(script)])]
        text = "".join(file.read_text(encoding="utf-8") for file in files)
        for option in (word for word in words if word.startswith("--")):
            assert option in text, f"{option} of {script}"


class _ParsedError(Exception):
    """The arguments were accepted."""


def _parse_only(parser: argparse.ArgumentParser, arguments: Any = None) -> Any:
    parser.parse_known_args(arguments)
    _, unknown = parser.parse_known_args(arguments)
    assert not unknown, unknown
    raise _ParsedError
