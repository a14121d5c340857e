# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Workers end with the command, even when it has no time to tell them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

_COMMAND = [
    *(sys.executable, "-m", "molmoact_ros.cli.evaluate"),
    *("--in-process", "--series", "none", "--episodes", "5000", "--workers", "2"),
]


def _is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


def _workers(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(c) for c in children if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()]


def _until(ready, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_workers_die_with_the_command(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*_COMMAND, "--out", str(tmp_path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as command:
        _until(lambda: len(_workers(command.pid)) == 2)
        workers = _workers(command.pid)
        command.kill()
    _until(lambda: not any(_is_alive(pid) for pid in workers))
