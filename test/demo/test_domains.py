# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Graphs that run at the same time never share a domain."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from molmoact_ros.demo.domains import NoDomain, reserve_domain

HOLD = (
    "import pathlib, sys, time\n"
    "from molmoact_ros.demo.domains import reserve_domain\n"
    "print(*[reserve_domain(pathlib.Path(sys.argv[1])).number for _ in range(60)], flush=True)\n"
    "time.sleep(600)\n"
)


def test_no_two_processes_get_the_same_domain(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        theirs = {int(word) for word in other.stdout.readline().split()}
        ours = [reserve_domain(tmp_path) for _ in range(41)]
        with pytest.raises(NoDomain, match=f"1..101 are reserved: see {tmp_path}"):
            reserve_domain(tmp_path)
        numbers = {domain.number for domain in ours}
        assert not theirs & numbers
        assert theirs | numbers == set(range(1, 102))
        other.send_signal(signal.SIGKILL)
    assert reserve_domain(tmp_path).number in theirs, "free again, whatever the other's end"


def test_another_users_lock_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = reserve_domain(tmp_path).number
    plain = os.open

    def protected(path: Path, *rest: int) -> int:
        if path.stem == str(taken % 101 + 1):
            raise PermissionError
        return plain(path, *rest)

    monkeypatch.setattr(os, "open", protected)
    assert reserve_domain(tmp_path).number == (taken + 1) % 101 + 1
