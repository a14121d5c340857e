# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A full disk is reported with the name of the file."""

from __future__ import annotations

import contextlib
import importlib
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from molmoact_ros.output_files import (
    WriteError,
    reports_write_errors,
    write_picture,
    write_text,
)
from molmoact_ros.viz import VideoFile

FULL = "cannot be written: No space left on device"
NOISE = np.random.default_rng(1).integers(0, 256, (240, 320, 3), dtype=np.uint8)
PRINTS = (
    "from molmoact_ros.output_files import reports_write_errors\n"
    "@reports_write_errors\n"
    "def main(argv=None):\n"
    "    print('line\\n' * {lines})\n"
    "    return 0\n"
    "raise SystemExit(main())\n"
)


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """Return a folder in which the files that are about to be written lead to a full device."""
    for name in ("answer.json", "overlay.png"):
        (tmp_path / name).symlink_to("/dev/full")
    return tmp_path


@contextlib.contextmanager
def largest_file(limit: int) -> Iterator[None]:
    """Files larger than so many bytes cannot be written, as on a disk that gets full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield  # nothing else may be written meanwhile, not even to pytest's log
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_text_and_picture(full: Path) -> None:
    with pytest.raises(WriteError, match=f"answer.json {FULL}"):
        write_text(full / "answer.json", "{}")
    with pytest.raises(WriteError, match=f"overlay.png {FULL}"):
        write_picture(full / "overlay.png", NOISE)


def test_a_video_from_the_start(tmp_path: Path) -> None:
    with largest_file(0):
        video = VideoFile(tmp_path / "video", rate=10.0)
        video.add(NOISE)
        with pytest.raises(WriteError, match="video.mp4 cannot be written: "):
            video.close()


def test_a_video_on_its_way(tmp_path: Path) -> None:
    limit = 200_000
    with largest_file(limit):
        video = VideoFile(tmp_path / "video", rate=10.0)
        for shift in range(30):
            video.add(np.roll(NOISE, shift, axis=1))
        with pytest.raises(WriteError, match="video.mp4 cannot be written: .* of 30 frames"):
            video.close()
    assert (tmp_path / "video.mp4").stat().st_size <= limit


@pytest.mark.parametrize("lines", [1, 10_000])
def test_standard_output(lines: int) -> None:
    with Path("/dev/full").open("w") as device:
        done = subprocess.run(
            [sys.executable, "-c", PRINTS.format(lines=lines)],
            stdout=device, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == f"error: standard output {FULL}\n"


def test_a_pager_that_was_left_is_no_error() -> None:
    code = PRINTS.format(lines=100_000)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "line\n"
        process.stdout.close()
        assert process.stderr.read() == ""


@pytest.mark.parametrize("name", ["evaluate", "inspect", "predict", "replay", "selfcheck"])
def test_every_command_reports_it(name: str) -> None:
    assert hasattr(importlib.import_module(f"molmoact_ros.cli.{name}").main, "__wrapped__")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (FileExistsError("out exists"), "error: out exists\n"),
        (FileNotFoundError(2, "No file", "in.png"), "error: [Errno 2] No file: 'in.png'\n"),
        (WriteError("a.csv", "full"), "error: a.csv cannot be written: full\n"),
    ],
)
def test_other_errors_of_files_say_what_they_say(
    error: OSError, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(argv: Sequence[str] | None = None) -> int:
        raise error

    assert reports_write_errors(main)([]) == 1
    assert capsys.readouterr().err == expected
