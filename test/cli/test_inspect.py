# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""molmoact-inspect: a sound checkpoint has no problems, every broken one its own."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from golden_files import GOLDEN

from molmoact_ros.cli.inspect import main

FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
         "tokenizer_config.json", "preprocessor_config.json", "processor_config.json")  # fmt: skip


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Return a copy that a test may break."""
    for name in FILES:
        shutil.copy(GOLDEN / "qwen_siglip" / name, tmp_path / name)
    return tmp_path


def _edit(path: Path, change: Callable[[Any], None]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("variant", ["qwen_siglip", "olmo_clip"])
def test_sound_checkpoint(variant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(GOLDEN / variant)]) == 0
    output = capsys.readouterr().out
    assert output.rstrip().endswith("No problems.") and "FAIL" not in output
    for part in ("Network", "Checks", "norm_stats 'molmoact', 7 values", "Profile", "Memory"):
        assert part in output
    assert max(map(len, output.splitlines())) <= 100


def test_profile_on_the_command_line(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    profile = checkpoint / "mine.yaml"
    profile.write_text("name: mine\nactions: {names: [a, b]}\nanswer: {unnorm_key: molmoact}")
    assert main([str(checkpoint), "--profile", str(profile)]) == 1
    output = capsys.readouterr().out
    assert "actions.names: has 2 names, but norm_stats has 7 dimensions" in _flat(output)


def _flat(output: str) -> str:
    return " ".join(output.split())


def _no_stats(folder: Path) -> None:
    _edit(folder / "config.json", lambda c: c.update(norm_stats=None))


def _nan_stats(folder: Path) -> None:
    def change(content: Any) -> None:
        content["norm_stats"]["molmoact"]["action"]["q01"][2] = math.nan

    _edit(folder / "config.json", change)


def _patch_id(folder: Path) -> None:
    _edit(folder / "config.json", lambda c: c.update(image_patch_id=7))


def _wrong_size(folder: Path) -> None:
    _edit(folder / "config.json", lambda c: c["llm_config"].update(intermediate_size=50))


def _codebook(folder: Path) -> None:
    _edit(folder / "config.json", lambda c: c.update(action_codebook="fast"))


def _special_depth(folder: Path) -> None:
    def change(content: Any) -> None:
        for token in content["added_tokens"]:
            token["special"] = True

    _edit(folder / "tokenizer.json", change)


def _no_depth(folder: Path) -> None:
    def change(content: Any) -> None:
        content["added_tokens"] = [
            token for token in content["added_tokens"] if token["content"] != "<DEPTH_7>"
        ]

    _edit(folder / "tokenizer.json", change)


def _other_end(folder: Path) -> None:
    _edit(folder / "generation_config.json", lambda c: c.update(eos_token_id=5))


def _cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def _broken_vqvae(folder: Path) -> None:
    (folder / "vae-final.safetensors").write_bytes(b"no tensors")


def _no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


FAULTS = {
    "no_stats": (_no_stats, "norm_stats are absent"),
    "nan_stats": (_nan_stats, "norm_stats['molmoact'].action.q01[2] is nan"),
    "patch_id": (_patch_id, "image_patch_id is 7, but <im_patch> is 898"),
    "wrong_size": (_wrong_size, "mlp.ff_out.weight has [64, 112], config.json asks for [64, 50]"),
    "codebook": (_codebook, "action_codebook is 'fast'; known are vocab_tail, byte_level"),
    "special_depth": (_special_depth, "depth tokens are beyond the head or are skipped"),
    "no_depth": (_no_depth, "has no depth tokens: <DEPTH_7>"),
    "other_end": (_other_end, "generation_config.json ends answers at [5]"),
    "cut_weights": (_cut_weights, "model.safetensors is truncated"),
    "broken_vqvae": (_broken_vqvae, "vae-final.safetensors is not a safetensors file"),
    "no_config": (_no_config, "config.json is missing"),
}


@pytest.mark.parametrize("damage, message", FAULTS.values(), ids=FAULTS.keys())
def test_damage_is_named_and_the_exit_code_is_1(
    checkpoint: Path,
    damage: Callable[[Path], None],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage(checkpoint)
    assert main([str(checkpoint)]) == 1
    output = capsys.readouterr().out
    assert message in _flat(output.split("Problems (")[1])


def test_absent_directory(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["/nowhere/at/all"]) == 1
    assert "/nowhere/at/all does not exist" in capsys.readouterr().out


def test_several_faults_are_listed_together(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _no_stats(checkpoint)
    _cut_weights(checkpoint)
    _other_end(checkpoint)
    main([str(checkpoint)])
    assert "Problems (3)" in capsys.readouterr().out
