# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What cannot be trained is one sentence with the file and what to do; no checkpoint is left."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest
from finetune_data import TABLETOP, Change, edit

from molmoact_ros.cli.finetune import main


def refused(data: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """Return the error of the command."""
    out = data.with_name("out")
    given = ["--checkpoint", str(TABLETOP), "--data", str(data), "-o", str(out)]
    small = ["--steps", "1", "--batch", "1", "--answers", "0", "--device", "cpu"]
    assert main([*given, *small, *more]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("error: ") and "Traceback" not in "".join(lines)
    assert not out.exists()
    return lines[-1]


def change_action(content: dict[str, Any], key: str, value: Any) -> None:
    content["norm_stats"]["cell"]["action"][key] = value


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda c: c.update(action_space="joint_position"),
            "joint_position of 7 columns, those",
        ),
        (lambda c: c["columns"].pop(3), "ee_delta of 6 columns"),
        (lambda c: c.update(action_space="torque"), "'torque' is not one of ee_delta"),
        (lambda c: change_action(c, "q01", [0.0] * 6), "has 6 values in q01, 7 in q99"),
        (lambda c: c["depth"].update(vqvae_sha256="0"), "of another VQ-VAE than"),
        (lambda c: c.update(depth=None), "has no depth codes: make the data set again with"),
        (lambda c: c["split"].update(training=[]), "no episode is for training"),
        (lambda c: c.update(episodes=[{"steps": 5}] * 3), "has 5 steps, an answer 8 rows"),
        (lambda c: c["gripper"].update(open=-1.0), "it must be the last column, with 0 and 1"),
        (lambda c: c.pop("split"), "lacks split"),
    ],
)
def test_a_data_set_that_does_not_fit(
    own_data: Path, change: Change, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(own_data, change)
    error = refused(own_data, capsys)
    assert words in error and str(own_data / "meta" / "molmoact.json") in error
    assert not own_data.with_name("out.partial").exists()


def test_new_actions_are_learned_when_asked_for(
    own_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(own_data, lambda c: c.update(action_space="joint_delta"))
    assert "--new-actions" in refused(own_data, capsys)
    error = refused(own_data, capsys, "--new-actions", "--rows", "13")
    assert "an answer 13 rows" in error


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("meta/molmoact.json", None, "molmoact.json is missing: give a data set"),
        ("meta/molmoact.json", b"{", "is not valid JSON"),
        ("data/chunk-000/file-000.parquet", b"PAR1", "its tables cannot be read"),
        ("videos/observation.images.camera/chunk-000/file-000.mp4", b"x", "cannot be read"),
    ],
)
def test_a_broken_data_set(
    own_data: Path, file: str, content: bytes | None, words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = own_data / file
    path.unlink() if content is None else path.write_bytes(content)
    error = refused(own_data, capsys)
    assert words in error and str(own_data) in error


def test_the_output_exists(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--checkpoint", str(TABLETOP), "--data", str(data), "-o", str(tmp_path)]
    assert main(given) == 1
    assert f"error: {tmp_path} exists; choose another folder by -o" in capsys.readouterr().err


def test_no_checkpoint(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--checkpoint", str(tmp_path / "none"), "--data", str(data), "-o", str(tmp_path / "o")]
    assert main(given) == 1
    assert f"{tmp_path / 'none'} does not exist" in capsys.readouterr().err


def test_more_memory_than_there_is(own_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for batch in ("10000000", "20000000"):  # nothing was trained: other arguments are fine
        error = refused(own_data, capsys, "--batch", batch)
        assert "GB on cpu," in error and "GB are free: give" in error


def test_a_rate_that_is_too_large(own_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ("--rate", "0.99", "--steps", "60", "--batch", "1", "--lora", "64")
    error = refused(own_data, capsys, *more)
    assert "the loss is not finite at step" in error and "smaller --rate" in error


def test_a_full_disk(own_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        error = refused(own_data, capsys)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "state.pt cannot be written: File too large" in error
    assert not list(own_data.with_name("out.partial").glob("*.tmp"))


def test_a_full_disk_at_the_end(own_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The state fits beside a checkpoint without room for its weights; it is kept."""
    out = own_data.with_name("out")
    given = ["--lora", "1", "--steps", "1"]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, hard))
    try:
        error = refused(own_data, capsys, *given)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "out.partial/checkpoint" in error and "cannot be written" in error
    command = ["--checkpoint", str(TABLETOP), "--data", str(own_data), "-o", str(out), *given]
    small = ["--batch", "1", "--answers", "0", "--device", "cpu"]
    assert main([*command, *small]) == 0
    assert "at step 1 of 1" in capsys.readouterr().out
