# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Read files that others wrote and that should be small, such as configurations."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


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
            might never end; ``strerror`` says which.
    """
    path = Path(path)
    with os.fdopen(_open(path, max_bytes), "rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:  # it grew meanwhile
        raise _too_large(path, len(content), max_bytes)
    return content


def _open(path: Path, max_bytes: int) -> int:
    # Without O_NONBLOCK opening a FIFO waits for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
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
