# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Writes results; errors name the file that cannot be written.

The errors of a full disk come from writes into an open file, which do not know its name.
"""

from __future__ import annotations

import functools
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

INTERRUPTED = 130  # exit code of a command after Ctrl-C, as shells have it
_STANDARD_OUTPUT = "standard output"


class Main(Protocol):
    """The main function of a command."""

    def __call__(self, argv: Sequence[str] | None = None) -> int:
        """Run with arguments, or those of the process, and return the exit code."""


class WriteError(OSError):
    """A file cannot be written; the text names it and the reason."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path} cannot be written: {reason}")


@contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """Name a file in the errors of writing it.

    Raises:
        WriteError: Writing has failed.
    """
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(path, error.strerror or str(error)) from error
    except sqlite3.Error as error:  # of a bag
        raise WriteError(path, str(error)) from error


def write_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8.

    Raises:
        WriteError: It cannot be written.
    """
    with writing(path):
        path.write_text(text, encoding="utf-8")


def write_picture(path: Path, rgb: np.ndarray) -> None:
    """Write a picture, RGB uint8 `[H, W, 3]`, in the format of the file's suffix.

    Raises:
        WriteError: It cannot be written.
    """
    _, data = cv2.imencode(path.suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    with writing(path):
        path.write_bytes(data.tobytes())


def reports_write_errors(main: Callable[[Sequence[str] | None], int]) -> Main:
    """Return a command's main function that ends with exit code 1 when a write fails."""

    @functools.wraps(main)
    def run(argv: Sequence[str] | None = None) -> int:
        try:
            code = main(argv)
            sys.stdout.flush()
            return code
        except BrokenPipeError:  # of a pager that was left
            _drop_output()
        except OSError as error:
            words = str(error)
            if error.strerror is not None and error.filename is None:  # all other files are named
                words = str(WriteError(_STANDARD_OUTPUT, error.strerror))
                _drop_output()
            print(f"error: {words}", file=sys.stderr)
        return 1

    return run


def _drop_output() -> None:
    """Give up what could not be written; the end of the process would try again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
