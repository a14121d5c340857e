# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""molmoact-serve: what it refuses before it loads anything."""

import os
import sys
from pathlib import Path

import pytest

from molmoact_ros.cli.serve import main

CHECKPOINT = str(Path(__file__).parents[2] / "checkpoints" / "tabletop")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--address", "0.0.0.0"], "give each robot a token"),
        (["--address", "gpu.lab:9000"], "give each robot a token"),
        (["--address", "127.0.0.1:x"], "is not like 127.0.0.1:8750"),
        (["--certificate", "server.pem"], "one of them is missing"),
        (["--tokens", "no_such_file.yaml"], "no_such_file.yaml"),
        (["--device", "cuda:99"], "device"),
        (["--max-sessions", "1000"], "max_sessions"),
    ],
)
def test_wrong_settings_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main([CHECKPOINT, "--device", "cpu", *arguments]) == os.EX_CONFIG
    assert words in capsys.readouterr().err


def test_a_checkpoint_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--device", "cpu"]) == os.EX_CONFIG
    assert "config.json" in capsys.readouterr().err


def test_several_replicas_without_ray_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "molmoact_ros.serve.ray_replicas", raising=False)
    assert main([CHECKPOINT, "--device", "cpu", "--replicas", "2"]) == os.EX_CONFIG
    assert "pip install 'ray[serve]'" in capsys.readouterr().err
