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
        (lambda c: c.pop("episodes"), "lacks episodes"),
        (lambda c: c.update(gripper=None), "has a wrong gripper: None"),
        (lambda c: c.update(control_period="fast"), "has a wrong control_period: 'fast'"),
        (lambda c: c.update(control_period=0), "control_period: must be 0.001..10 s, is 0"),
        (lambda c: c["split"].update(training=[0, 99]), "split.training: [0, 99] of 3 episodes"),
        (lambda c: c["split"].pop("held_out"), "has a wrong split.held_out: None"),
        (lambda c: c.update(image_keys=["nope"]), "does not fit meta/info.json, which lacks nope"),
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


def test_progress_that_is_broken(own_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = own_data.with_name("out.partial")
    folder.mkdir()
    (folder / "settings.json").write_text("{")
    (folder / "state.pt").write_bytes(b"x")
    error = refused(own_data, capsys)
    assert f"{folder / 'settings.json'} is broken" in error
    assert f"remove {folder} to begin anew" in error


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--answers", "-3", "must be 0 or more, is -3"),
        ("--seed", "-1", "must be 0 or more, is -1"),
        ("--save-every", "nan", "nan is not a time in s, 0 or more"),
    ],
)
def test_wrong_numbers(
    option: str, value: str, words: str, data: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    given = ["--checkpoint", str(TABLETOP), "--data", str(data), "-o", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as ended:
        main([*given, option, value])
    assert ended.value.code == 2
    assert f"argument {option}: {words}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_no_such_device(own_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--device foo: give cpu, cuda or cuda:N" in refused(own_data, capsys, "--device", "foo")


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
