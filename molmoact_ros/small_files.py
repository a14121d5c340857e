# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reading files that others wrote and that should be small, and showing what they hold."""

from __future__ import annotations

import errno
import json
import os
import reprlib
import stat
from pathlib import Path
from typing import Any

MAX_JSON_BYTES = 16_000_000
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 100


def check_small_file(path: str | Path, max_bytes: int) -> None:
    """Refuse a file that `read_small_file` refuses, without reading it.

    Raises:
        OSError: As `read_small_file`.
    """
    os.close(_open(Path(path), max_bytes))


def read_small_file(path: str | Path, max_bytes: int) -> bytes:
    """Return the content of a regular file.

    Args:
        path: The file, or a link to it.
        max_bytes: Size in bytes above which it is refused before it is read.

    Raises:
        OSError: It cannot be opened or read, is larger, or is a FIFO, device or directory, which
            might never end; `strerror` names it.
    """
    path = Path(path)
    with os.fdopen(_open(path, max_bytes), "rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:  # it grew meanwhile
        raise _too_large(path, len(content), max_bytes)
    return content


def json_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object that a file holds.

    Raises:
        ValueError: It is something else; the text continues the file's name.
    """
    try:
        content = json.loads(raw.decode("utf-8"))
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"is not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError("must hold a JSON object")
    return content


def shown(value: Any) -> str:
    """Return a value as a message shows it: its `repr`, but never more than a line."""
    return _SHORT.repr(value)


def one_line(error: BaseException) -> str:
    """Return an error of torch or of the system as one short sentence."""
    text = str(error).strip() or type(error).__name__
    first = text.splitlines()[0]
    if isinstance(error, MemoryError) or "out of memory" in text or "not enough memory" in text:
        return f"out of memory, choose a quantization or free some: {first[:300]}"
    return first[:1000]


def _open(path: Path, max_bytes: int) -> int:
    # Without O_NONBLOCK opening a FIFO waits for a writer.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError:  # a null byte, or letters that the locale C does not have
        text = "it cannot be the name of a file in this locale: set LC_ALL=C.UTF-8"
        raise OSError(errno.EINVAL, text, str(path)) from None
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise OSError(errno.EISDIR, "it is a directory", str(path))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is a device or pipe, not a regular file", str(path))
        if status.st_size > max_bytes:
            raise _too_large(path, status.st_size, max_bytes)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _too_large(path: Path, size: int, max_bytes: int) -> OSError:
    text = f"it has {size:,} bytes, at most {max_bytes:,} are accepted"
    return OSError(errno.EFBIG, text, str(path))
