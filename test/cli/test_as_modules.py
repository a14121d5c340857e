# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Each command also runs as `python -m`, where it is not installed."""

from __future__ import annotations

import runpy
import sys

import pytest

COMMANDS = (
    "dataset", "evaluate", "finetune", "inspect", "predict", "record", "replay", "selfcheck",
    "serve",
)  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*found in sys.modules.*:RuntimeWarning")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_a_program_too(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"molmoact_ros.cli.{name}", run_name="__main__")
    assert ended.value.code == 0
    assert f"usage: molmoact-{name}" in capsys.readouterr().out
