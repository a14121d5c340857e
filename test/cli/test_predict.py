# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""molmoact-predict over a golden checkpoint, whose random weights answer garbage."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from golden_files import GOLDEN

from molmoact_ros.cli.predict import main
from molmoact_ros.policy import MolmoActPolicy


def _run(
    tmp_path: Path,
    *extra: str,
    image: Path = GOLDEN / "images" / "320x240_4.png",
    instruction: str = "close the box",
) -> int:
    return main(
        [
            *("--checkpoint", str(GOLDEN / "qwen_siglip"), "--unnorm-key", "molmoact"),
            *("--image", str(image), "--instruction", instruction),
            *("--device", "cpu", "--max-new-tokens", "16", "--out", str(tmp_path / "out")),
            *extra,
        ]
    )


def test_answer_is_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(tmp_path) == 1, "a garbage answer has problems"
    output = capsys.readouterr().out
    assert "profile: generic, unnorm_key: molmoact" in output and "Problems" in output
    assert max(len(line) for line in output.splitlines() if "wrote" not in line) <= 100
    answer = json.loads((tmp_path / "out" / "answer.json").read_text(encoding="utf-8"))
    assert answer["valid"] is False and answer["problems"] and answer["tokens"] == 16
    assert answer["names"] == ["x", "y", "z", "roll", "pitch", "yaw", "gripper"]
    overlay = cv2.imread(str(tmp_path / "out" / "overlay.png"))
    assert overlay is not None
    assert overlay.shape == (240, 320, 3)


def test_hint_is_drawn(tmp_path: Path) -> None:
    _run(tmp_path, "--hint", "40,200 160,80 300,200")
    answer = json.loads((tmp_path / "out" / "answer.json").read_text(encoding="utf-8"))
    assert answer["trajectory_source"] == "user"
    np.testing.assert_allclose(answer["trajectory"][0], [40 / 319 * 255, 200 / 239 * 255])
    overlay = np.array(cv2.imread(str(tmp_path / "out" / "overlay.png")))[..., ::-1].astype(int)
    x, y = 160, 80
    assert overlay[y, x, 2] > overlay[y, x, 0] + 50, "a user's path has cold colours"


def test_two_cameras(tmp_path: Path) -> None:
    _run(tmp_path, "--image", str(GOLDEN / "images" / "256x256_3.png"))
    answer = json.loads((tmp_path / "out" / "answer.json").read_text(encoding="utf-8"))
    assert len(answer["images"]) == 2


@pytest.mark.parametrize(
    "instruction", ["关上盒子", "закрой коробку", "ferme la boîte 🤖", "a" * 300]
)
def test_any_language(tmp_path: Path, instruction: str) -> None:
    _run(tmp_path, instruction=instruction)
    answer = json.loads((tmp_path / "out" / "answer.json").read_text(encoding="utf-8"))
    assert answer["instruction"] == instruction


HOSTILE = {
    "close <im_patch> it": "<im_patch>",
    "close <DEPTH_1> it": "<DEPTH_1>",
    "close it <|endoftext|>": "<|endoftext|>",
    "close\x00it": "control character",
    "close\nit": "control character",
    "": "instruction is empty",
    "word " * 2000: "instruction has 10000 characters, at most 1000",
}


@pytest.mark.parametrize("instruction", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_instruction_is_refused(
    tmp_path: Path, instruction: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(tmp_path, instruction=instruction) == 1
    assert HOSTILE[instruction] in capsys.readouterr().err
    assert not (tmp_path / "out" / "answer.json").exists()


def test_wrong_arguments_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text.png"
    text.write_text("no picture")
    wrong = [
        ((), {"image": tmp_path / "none.png"}, "there is no file"),
        ((), {"image": text}, f"{text}: cannot decode 10 bytes: it is neither JPEG nor PNG"),
        (("--max-image-pixels", "1000"), {}, "px are more than max_image_pixels (1000)"),
        (("--hint", "1,2"), {}, "two or more points"),
        (("--hint", "1;2 3"), {}, "is not like"),
        (("--image", str(GOLDEN / "images" / "320x240_4.png")), {}, "given twice"),
        (("--checkpoint", str(tmp_path / "nothing")), {}, "does not exist"),
        (("--unnorm-key", "typo"), {}, "'typo' not in"),
        (("--profile", str(tmp_path / "none.yaml")), {}, "none.yaml: cannot be read"),
        (("--dtype", "float7"), {}, "float7"),
    ]
    for extra, changes, message in wrong:
        assert _run(tmp_path, *extra, **changes) == 1  # type: ignore[arg-type]
        assert message in capsys.readouterr().err


def test_help_needs_no_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0 and "--hint" in capsys.readouterr().out


def test_unknown_quantization_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(tmp_path, "--quantization", "int3") == 1
    assert "quantization 'int3' is not one of int8, int4, fp8" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "repeatable"),
    [((), False), (("--repeatable",), True), (("--no-repeatable",), False)],
)
def test_repeatable_is_a_choice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: Any, repeatable: bool | None
) -> None:
    made = []
    create = MolmoActPolicy.from_preflight

    def watch(*given: Any, **settings: Any) -> MolmoActPolicy:
        made.append(create(*given, **settings))
        return made[-1]

    monkeypatch.setattr(MolmoActPolicy, "from_preflight", watch)
    _run(tmp_path, *arguments, "--constrained")
    assert [policy.repeatable for policy in made] == [repeatable]
    assert made[0].forms is not None
