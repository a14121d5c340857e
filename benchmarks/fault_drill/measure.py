# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Figures of processes as Linux gives them, and processes that keep every core busy."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.executor_jitter import BURN
from molmoact_ros.demo.lifetime import die_with_parent

from .pipes import ROOT

_MEGA = 1e6


def memory(pid: int, peak: bool = False) -> float:
    """Return the resident memory of a process, MB, or its peak since `forget_peak`."""
    key = "VmHWM" if peak else "VmRSS"
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(key))
    return int(line.split()[1]) * 1024 / _MEGA


def forget_peak(pid: int) -> None:
    """Let the peak begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


@contextlib.contextmanager
def busy_cores() -> Iterator[None]:
    """Keep every core busy with matrix products, as a policy does."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    burners = [
        subprocess.Popen([sys.executable, "-c", BURN], env=environment, preexec_fn=die_with_parent)
        for _ in range(os.cpu_count() or 1)
    ]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


@dataclass(frozen=True)
class Finished:
    """A program that ended, or was killed because it would not.

    Attributes:
        code: Exit code; None: killed.
        output: What it printed on both streams.
        seconds: Of CPU time, so that a busy machine is not the program's fault.
        peak: Of its memory, MB.
    """

    code: int | None
    output: str
    seconds: float
    peak: float


def run_program(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    seconds: float = 20.0,
    megabytes: float = 4000.0,
    patience: float = 120.0,
    until: str = "",
) -> Finished:
    """Run a program to its end, or kill it where it takes too much.

    Args:
        command: Its command line.
        folder: For its output.
        environment: Changes of the environment.
        seconds: Of CPU time.
        megabytes: Of memory.
        patience: s that pass, whatever it does.
        until: Text that the program prints when it does what it should not; then it is killed.
    """
    begin, used, peak = time.monotonic(), 0.0, 0.0
    log = folder / f"output_{time.monotonic_ns()}.txt"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
            env=os.environ | dict(environment or {}), preexec_fn=die_with_parent,
        )  # fmt: skip
    killed = False
    while process.poll() is None:
        with contextlib.suppress(OSError, StopIteration, IndexError):
            used, peak = cpu_seconds(process.pid), max(peak, memory(process.pid, peak=True))
        spent = used > seconds or peak > megabytes or time.monotonic() - begin > patience
        if spent or (until and until in log.read_text(errors="replace")):
            process.kill()
            process.wait()
            killed = True
        time.sleep(0.02)
    code = None if killed else process.returncode
    return Finished(code, log.read_text(errors="replace"), used, peak)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
