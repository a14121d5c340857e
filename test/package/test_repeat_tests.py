# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""scripts/repeat_tests.sh: what it counts, and where it goes on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "repeat_tests.sh"


def repeat(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(SCRIPT), *arguments], capture_output=True, text=True, timeout=150)


def test_wrong_arguments_are_refused() -> None:
    assert "usage: scripts/repeat_tests.sh" in repeat("--help").stdout
    for arguments, words in (
        (("--times", "0"), "--times is a number of 1 or more, not '0'"),
        (("--burners", "many"), "--burners is a number of 0 or more, not 'many'"),
        (("--state",), "--state needs a value"),
    ):
        refused = repeat(*arguments)
        assert refused.returncode == 2
        assert words in refused.stderr


@pytest.mark.long
def test_it_goes_on_where_it_was_and_counts_failures(tmp_path: Path) -> None:
    state, runs = tmp_path / "state", tmp_path / "runs"
    test = tmp_path / "test_second_run.py"
    test.write_text(
        "import pathlib\n"
        f"runs = pathlib.Path({str(runs)!r})\n"
        "def test_fails_in_the_second_run():\n"
        "    runs.mkdir(exist_ok=True)\n"
        "    (runs / str(len(list(runs.iterdir())))).touch()\n"
        "    assert len(list(runs.iterdir())) != 2\n"
    )
    given = ("--state", str(state), str(test))
    first = repeat("--times", "1", "--burners", "1", *given)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "1 of 1 runs have passed" in first.stdout
    second = repeat("--times", "3", "--burners", "1", *given)
    assert second.returncode == 1
    assert "FAILED " in second.stdout and "test_fails_in_the_second_run" in second.stdout
    assert "2 of 3 runs have passed" in second.stdout
    assert len(list(runs.iterdir())) == 3, "the first run was not repeated"
    other = repeat("--times", "1", "--state", str(state), "test/package")
    assert other.returncode == 2
    assert "is of other code or other tests" in other.stderr
