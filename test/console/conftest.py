# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Consoles as processes of their own, and their clients."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 60.0  # s; the machine may be busy
ROOT = Path(__file__).parents[2]
_CODE = "import sys; from molmoact_ros.console.node import main; sys.exit(main())"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(ready: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Wait until ``ready()`` is true and return its value."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if value := ready():
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {patience} s for {what}")


class Console:
    """A console's process.

    Attributes:
        port: That it listens on.
        lines: What it has printed.
        process: Its process.
    """

    def __init__(self, environment: dict[str, str], **parameters: Any) -> None:
        self.port = int(parameters.setdefault("port", free_port()))
        words = [w for name, value in parameters.items() for w in ("-p", f"{name}:={value}")]
        self.lines: list[str] = []
        path = filter(None, [os.environ.get("PYTHONPATH")])
        self.process = subprocess.Popen(
            [sys.executable, "-c", _CODE, "--ros-args", *words],
            env=environment | {"PYTHONPATH": os.pathsep.join([str(ROOT), *path])},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(iter(self.process.stdout.readline, ""))

    @property
    def output(self) -> str:
        """What it has printed."""
        return "".join(self.lines)

    def wait_until_it_answers(self) -> None:
        """Wait for the web server."""
        until(lambda: self._answers(), "the console")

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.output
        try:
            return self.get("/picture/0").status in (404, 401)
        except OSError:
            return False

    def get(self, path: str, **headers: str) -> http.client.HTTPResponse:
        """Get a path; underscores in names of headers stand for hyphens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers=named)
        response = connection.getresponse()
        response.body = response.read()  # type: ignore[attr-defined]
        connection.close()
        return response

    def end(self) -> int:
        """Ask it to end and return its exit code."""
        self.process.terminate()
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code


@pytest.fixture(scope="module")
def console(ros_environment: dict[str, str]) -> Iterator[Callable[..., Console]]:
    """Return a function that starts consoles by their parameters; they end with the module."""
    running: list[Console] = []

    def start(**parameters: Any) -> Console:
        running.append(Console(os.environ | ros_environment, **parameters))
        return running[-1]

    yield start
    for each in running:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()
