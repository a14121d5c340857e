# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Further processes of a drill, controlled by lines of JSON on their standard input."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from molmoact_ros.demo.lifetime import die_with_parent

ROOT = Path(__file__).parents[2]
_ENDING = 10.0  # s that a process may take to end after SIGTERM


class PeerError(RuntimeError):
    """A process of the drill itself ended or failed: that is no result about the nodes."""


class Process:
    """A process with its output in a file; it ends with this one."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.log = log
        with log.open("wb") as stream:
            self.popen = subprocess.Popen(
                command, cwd=ROOT, env=os.environ | dict(environment), stdin=subprocess.PIPE,
                stdout=self._stdout(stream), stderr=stream, preexec_fn=die_with_parent,
            )  # fmt: skip

    def _stdout(self, log: Any) -> Any:
        return log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.popen.pid

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(errors="replace")

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.popen.poll() is None

    def end(self) -> int:
        """Stop it, gently first, and return its exit code."""
        if self.popen.stdin is not None:
            with contextlib.suppress(OSError):
                self.popen.stdin.close()
        for stop in (signal.SIGCONT, signal.SIGTERM, signal.SIGKILL):
            if not self.is_alive():
                break
            self.popen.send_signal(stop)
            try:
                self.popen.wait(0.0 if stop == signal.SIGCONT else _ENDING)
            except subprocess.TimeoutExpired:
                continue
        return self.popen.wait()


class Peer(Process):
    """A process of this package that answers each line with a line."""

    def __init__(
        self, module: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str]
    ) -> None:
        command = [sys.executable, "-m", f"benchmarks.fault_drill.{module}", *arguments]
        super().__init__(command, log, environment)

    def _stdout(self, log: Any) -> Any:
        return subprocess.PIPE

    def ask(self, **request: Any) -> Any:
        """Send a request and return the answer."""
        assert self.popen.stdin is not None
        try:
            self.popen.stdin.write(json.dumps(request).encode() + b"\n")
            self.popen.stdin.flush()
        except OSError:
            pass  # the answer is missing too
        return self.answer()

    def answer(self) -> Any:
        """Wait for a line and return it; the first one is sent when the process is ready."""
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        if not line:
            raise PeerError(f"{self.log.stem} ended:\n{self.text[-2000:]}")
        answer = json.loads(line)
        if isinstance(answer, dict) and "error" in answer:
            raise PeerError(answer["error"])
        return answer


def answer_requests(answer: Callable[[dict[str, Any]], Any]) -> None:
    """Serve a `Peer` until its end of the pipe is closed; the first line means ready."""
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except Exception as error:  # noqa: BLE001 - the other side has to know
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)
    os._exit(0)  # without waiting for the threads of ROS


def take_priority() -> None:
    """Run this thread, and those it starts, as drivers of robots run, where that is permitted."""
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))
