# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""ROS domains that no other graph on this machine uses, as far as all reserve them here."""

from __future__ import annotations

import fcntl
import itertools
import os
import tempfile
from pathlib import Path

_FIRST, _COUNT = 1, 101  # 0 is everybody's; above 101 DDS takes ports that Linux gives to others
_FOLDER = "molmoact_ros_domains"
_candidates = itertools.count(os.getpid())  # a domain that was released is not the next one taken


class NoDomain(RuntimeError):
    """All domains are taken."""


class Domain:
    """A reserved domain: the lock of a file, which ends with `release` or with this process.

    Attributes:
        number: ROS domain id, 1..101.
    """

    def __init__(self, number: int, descriptor: int) -> None:
        """Hold the lock."""
        self.number = number
        self._descriptor = descriptor

    def release(self) -> None:
        """Let others have it."""
        os.close(self._descriptor)


def reserve_domain(folder: Path | None = None) -> Domain:
    """Reserve a domain that is not reserved.

    Args:
        folder: Of the lock files; None: one in the system's folder for temporary files.

    Raises:
        NoDomain: All are taken.
    """
    folder = folder or Path(tempfile.gettempdir()) / _FOLDER
    folder.mkdir(exist_ok=True)
    if folder.stat().st_uid == os.getuid():
        folder.chmod(0o777)  # other users need it, too
    for _ in range(_COUNT):
        number = _FIRST + next(_candidates) % _COUNT
        descriptor = _lock(folder / f"{number}.lock")
        if descriptor is not None:
            return Domain(number, descriptor)
    raise NoDomain(f"all ROS domains {_FIRST}..{_FIRST + _COUNT - 1} are reserved: see {folder}")


def _lock(file: Path) -> int | None:
    """Return the descriptor of a locked file, or None when another process has it."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o444)
    except PermissionError:  # another user's, in a folder that protects them
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
