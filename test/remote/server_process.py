# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Policy servers as processes, and a network between them and a robot that can be cut."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from molmoact_ros.demo.lifetime import die_with_parent

_ROOT = Path(__file__).parents[2]
_PROGRAM = _ROOT / "test" / "remote" / "reference_server.py"


class ServerProcess:
    """The reference server; a context manager.

    Attributes:
        port: On which it listens, also after `restart`.
    """

    def __init__(self, checkpoint: Path, *options: str, port: int = 0) -> None:
        """Start it."""
        self.port = port
        self._command = [sys.executable, str(_PROGRAM), "--checkpoint", str(checkpoint), *options]
        self._process: subprocess.Popen[str] | None = None
        self._listens = False
        self._start()

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Its address; waits until it listens."""
        self.wait()
        return f"ws://127.0.0.1:{self.port}"

    def wait(self) -> None:
        """Wait until it listens."""
        assert self._process is not None and self._process.stdout is not None
        if not self._listens:
            self.port = int(self._process.stdout.readline())
            self._listens = True

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def restart(self) -> None:
        """Start it again, at the same port, after `kill`."""
        self._start()

    def _start(self) -> None:
        self._listens = False
        self._process = subprocess.Popen(
            [*self._command, "--port", str(self.port)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1"},
            preexec_fn=die_with_parent,
        )


class Network:
    """Forwards connections to a server, until it is cut: then nothing arrives any more.

    Neither end is notified of the cut, as when a cable is pulled or a Wi-Fi is left.
    """

    def __init__(self, port: int) -> None:
        """Listen, and forward to a port."""
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._whole = threading.Event()
        self._whole.set()
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The server's address by this way."""
        return f"ws://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> None:
        """Forward nothing from now on."""
        self._whole.clear()

    def mend(self) -> None:
        """Forward new connections; those before have lost what was sent meanwhile."""
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._sockets.clear()
        self._whole.set()

    def close(self) -> None:
        """End all connections."""
        self._listener.close()
        self.mend()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                robot, _ = self._listener.accept()
                self._whole.wait()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [robot, server]
                for pair in ((robot, server), (server, robot)):
                    threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not self._whole.is_set():
                    return  # neither read on nor closed
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def wait_for(ready: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something that other threads or processes do is done."""
    waiting = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if ready():
            return
        waiting.wait(0.01)
    raise AssertionError(f"waited {seconds} s")
