# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""molmoact-selfcheck: what is printed and written, and its exit codes."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
from golden_files import GOLDEN

from molmoact_ros.cli import selfcheck as command
from molmoact_ros.cli.selfcheck import main
from molmoact_ros.decoding import pass_set
from molmoact_ros.decoding.passes import FixedPass
from molmoact_ros.model import MolmoActConfig
from molmoact_ros.policy import preflight
from molmoact_ros.selfcheck import run, subjects
from molmoact_ros.selfcheck.released import RELEASED

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"


def _run(tmp_path: Path, *arguments: Any) -> Any:
    return main([*arguments, "--device", "cpu", "--out", str(tmp_path / "out")])


def _content(tmp_path: Path) -> Any:
    return json.loads((tmp_path / "out" / "selfcheck.json").read_text(encoding="utf-8"))


def test_a_shipped_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(run, "_ANSWER_SECONDS", (900.0, 900.0))  # a busy machine decodes slowly
    assert _run(tmp_path, str(CHECKPOINTS / "tabletop"), "--answers", "1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "checkpoint tabletop, dtype float32, on cpu"
    assert lines[-1] == "Nothing is wrong."
    assert max(len(line) for line in lines if not line.startswith("wrote")) <= 100
    content = _content(tmp_path)
    assert list(content) == [
        "schema", "version", "subject", "settings", "software", "seconds", "wrong", "checks",
    ]  # fmt: skip
    assert (content["schema"], content["version"]) == ("molmoact_ros/selfcheck", 1)
    assert content["settings"] == {"device": "cpu", "dtype": "float32", "quantization": None}
    for check in content["checks"]:
        assert list(check) == ["name", "verdict", "text", "values"]
        assert check["verdict"] in ("ok", "not measured")
        assert any(line.startswith(check["verdict"]) and check["name"] in line for line in lines)
    values = {check["name"]: check["values"] for check in content["checks"]}
    assert values["drafts"]["answers"] == 1 and values["drafts"]["differ"] == 0
    assert values["drafts"]["drafted_passes"] < values["drafts"]["tokens"]
    assert values["answers"]["estimated"] is False
    assert str(CHECKPOINTS) not in json.dumps(content), "it is sent to others"
    picture = cv2.imread(str(tmp_path / "out" / "selfcheck.png"))
    assert picture is not None and picture.shape[2] == 3


@pytest.mark.long
@pytest.mark.parametrize("name", ["tabletop", "tabletop_tail"])
@pytest.mark.parametrize("more", [(), ("--dtype", "bfloat16"), ("--quantization", "int8")])
def test_all_of_a_shipped_checkpoint(tmp_path: Path, name: str, more: Any) -> None:
    assert _run(tmp_path, str(CHECKPOINTS / name), *more) == 0
    assert _content(tmp_path)["wrong"] == []


def test_something_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class SlotDependent(FixedPass):
        """From slot 8 on a row's result depends on where it is, in the last bit."""

        def __call__(self, tokens: Any, depths: Any, visible: Any) -> Any:
            logits = super().__call__(tokens, depths, visible)
            logits[8:] = torch.nextafter(logits[8:], torch.tensor(float("inf")))
            return logits

    content = json.loads((GOLDEN / "qwen_siglip" / "config.json").read_text())
    small = MolmoActConfig.from_dict(content)
    monkeypatch.setattr(subjects, "released_config", lambda name: small)
    monkeypatch.setattr(subjects, "_RANDOM_ANSWER", 5)
    monkeypatch.setattr(pass_set, "FixedPass", SlotDependent)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert _run(tmp_path, "--answers", "1") == 1
    output = capsys.readouterr().out
    assert output.startswith("random weights of 7b-d, dtype float32, on cpu")
    assert "WRONG         rows" in output and output.splitlines()[-1] == "WRONG: rows"
    assert _content(tmp_path)["wrong"] == ["rows"]
    assert "the chart is left out: it needs matplotlib" in output
    assert not (tmp_path / "out" / "selfcheck.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no/such/folder"], "no/such/folder"),
        ([str(CHECKPOINTS / "tabletop"), "--random", "7b-d"], "not both"),
        (["--quantization", "int5"], "quantization 'int5' is not one of int8, int4, fp8"),
        (["--device", "cuda:7"], "cuda"),
        ([str(CHECKPOINTS / "tabletop"), "--unnorm-key", "other"], "other"),
    ],
)
def test_wrong_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: Any, words: str
) -> None:
    assert main(["--device", "cpu", "--out", str(tmp_path), *arguments]) == os.EX_CONFIG
    error = capsys.readouterr().err
    assert error.startswith("molmoact-selfcheck: ") and words in error
    assert not list(tmp_path.iterdir())


def test_a_driver_that_fails_is_not_a_wrong_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: Any) -> None:
        raise RuntimeError("CUDA driver initialization failed\nand more")

    monkeypatch.setattr(preflight, "existing_device", fail)
    assert _run(tmp_path) == 1
    assert capsys.readouterr().err == "molmoact-selfcheck: CUDA driver initialization failed\n"


def test_every_released_size_can_be_asked_for() -> None:
    assert command._RELEASED == RELEASED


def test_what_does_not_fit_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subjects, "free_bytes", lambda device: 9 * 10**9)
    assert _run(tmp_path, "--random", "7b-d", "--dtype", "bfloat16") == 1
    error = capsys.readouterr().err
    assert "needs 16.3 GB of memory, 9.0 GB are free" in error
    assert "what would fit" in error or "nothing fits" in error
