# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A server of many robots as a process, robots that ask it, and clients that do not behave."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from websockets.sync.client import ClientConnection, connect

from molmoact_ros.demo.lifetime import die_with_parent
from molmoact_ros.faults import RemotePolicyError, StoppedError
from molmoact_ros.policy.types import Observation, Reasoning
from molmoact_ros.remote.address import ServerAddress
from molmoact_ros.remote.codec import decode, encode
from molmoact_ros.remote.exchange import infer_message, package_version
from molmoact_ros.remote.policy import RemotePolicy, RobotSide
from molmoact_ros.remote.wire import MAX_MESSAGE, PROTOCOL, Hello, Refusal, Welcome

CHECKPOINT = Path(__file__).parents[1] / "checkpoints" / "tabletop"
HOST = "127.0.0.1"
_START = 300.0  # s until the ready line; Ray takes a minute on a busy machine
_END = 30.0  # s


class ServerProcess:
    """`molmoact-serve` as a process, with its log; a context manager that leaves none behind."""

    def __init__(self, log: Path, *options: str, checkpoint: Path = CHECKPOINT) -> None:
        """Prepare.

        Args:
            log: File for what it prints.
            *options: Of the command.
            checkpoint: Directory.
        """
        self.port = free_port()
        self._log = log
        command = [sys.executable, "-m", "molmoact_ros.cli.serve", str(checkpoint)]
        address = f"{HOST}:{self.port}"
        self._command = [*command, "--device", "cpu", "--address", address, *options]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where robots connect."""
        return f"ws://{HOST}:{self.port}"

    def __enter__(self) -> ServerProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.end(signal.SIGTERM)

    def start(self, wait: bool = True) -> None:
        """Start it, and wait until robots can connect."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, stdout=log, stderr=log, preexec_fn=die_with_parent
            )
        begun = len(self.log())
        if wait:
            wait_for(lambda: re.search(r"^ready", self.log()[begun:], re.M), _START, self.log)

    def end(self, number: int) -> tuple[int, list[str]]:
        """Send a signal; return the exit code and the command lines of children left behind."""
        assert self.process is not None
        family = self.family()
        self.process.send_signal(number)
        try:
            code = self.process.wait(_END)
        finally:
            self.process.kill()
        gone, left = psutil.wait_procs(family, _END)
        names = [str(process) for process in left]
        for process in left:
            process.kill()
        self.process = None
        return code, names

    def family(self) -> list[psutil.Process]:
        """Return the server's process and all its children."""
        assert self.process is not None
        if self.process.poll() is not None:
            return []
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def find(self, pattern: str) -> list[psutil.Process]:
        """Return the processes whose command line has a pattern."""
        found = []
        for process in self.family():
            try:
                if re.search(pattern, " ".join(process.cmdline())):
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found

    def log(self) -> str:
        """Return what it has printed."""
        return self._log.read_text(errors="replace")


@dataclass(frozen=True)
class Asked:
    """A request of a robot.

    Attributes:
        at: s of the monotonic clock when it began.
        seconds: Until the answer, or the error.
        reasoning: The answer, None where there was none.
        error: Why there was none.
    """

    at: float
    seconds: float
    reasoning: Reasoning | None
    error: str = ""


class Robot(threading.Thread):
    """A robot that asks again as soon as it has an answer, by the client of the policy node."""

    def __init__(
        self, url: str, name: str, observation: Observation, gap: float = 0.0, timeout: float = 30.0
    ) -> None:
        """Prepare; `start` connects.

        Args:
            url: Of the server.
            name: The robot's.
            observation: What it sees, always.
            gap: s between an answer and the next request.
            timeout: s that it waits for an answer.
        """
        super().__init__(name=name, daemon=True)
        self.asked: list[Asked] = []
        self.failed: BaseException | None = None
        self._url, self._observation = url, observation
        self._gap, self._timeout = gap, timeout
        self._end = threading.Event()

    def run(self) -> None:
        """Ask until `stop`."""
        try:
            side = RobotSide(name=self.name, images="raw", timeout=self._timeout)
            policy = RemotePolicy.connect(ServerAddress(self._url), side)
            try:
                while not self._end.wait(self._gap):
                    self._ask(policy)
            finally:
                policy.close()
        except StoppedError:
            pass
        except BaseException as error:  # noqa: BLE001 - the drill reports it
            self.failed = error

    def stop(self) -> None:
        """End; a robot whose program ended before that has failed, see `answers`."""
        self._end.set()
        self.join(self._timeout + 10.0)

    def answers(self, since: float = 0.0, until: float = np.inf) -> list[Asked]:
        """Return the requests with an answer that were answered in a span of time.

        Raises:
            RuntimeError: The robot's program has ended by an error that is no late answer.
        """
        if self.failed is not None:
            raise RuntimeError(f"{self.name} has ended") from self.failed
        found = [one for one in list(self.asked) if one.reasoning is not None]
        return [one for one in found if since <= one.at + one.seconds < until]

    def _ask(self, policy: RemotePolicy) -> None:
        begin, reasoning, words = time.monotonic(), None, ""
        try:
            reasoning = policy.infer(self._observation, self._end.is_set)
        except RemotePolicyError as error:
            words = str(error)
        if not self._end.is_set():
            self.asked.append(Asked(begin, time.monotonic() - begin, reasoning, words))


class CutProxy:
    """A line that can be cut without a word: what is sent into it goes nowhere."""

    def __init__(self, port: int) -> None:
        """Begin to forward to a port of this machine."""
        self._target = (HOST, port)
        self._open = threading.Event()
        self._open.set()
        self._listener = socket.create_server((HOST, 0))
        self.url = f"ws://{HOST}:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Forward nothing from now on, in either direction; connections stay open."""
        self._open.clear()

    def mend(self) -> None:
        """Forward again, what was sent meanwhile included."""
        self._open.set()

    def close(self) -> None:
        """Accept no connection any more."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                self._open.wait()
                sink.sendall(data)
            self._open.wait()
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()
            sink.close()


def say_hello(
    url: str, robot: str, session: str = "", **fields: Any
) -> tuple[ClientConnection, Welcome | Refusal]:
    """Connect as a robot; return the connection and the server's reply."""
    hello = {"protocol": PROTOCOL, "package": package_version(), "robot": robot}
    line = connect(url, max_size=MAX_MESSAGE, compression=None, ping_interval=None).__enter__()
    line.send(encode(Hello(**{**hello, "session": session or uuid.uuid4().hex, **fields})))
    return line, decode(line.recv(), (Welcome, Refusal), MAX_MESSAGE)


def flood(url: str, observation: Observation, rate: float, end: threading.Event) -> int:
    """Send requests at a rate whatever comes back; return how many could be sent."""
    line, _ = say_hello(url, "flood")
    line.socket.settimeout(1.0)
    begun, sent = time.monotonic(), 0
    try:
        while not end.wait(max(0.0, begun + sent / rate - time.monotonic())):
            line.send(encode(infer_message(sent, observation, jpeg=False)))
            sent += 1
    except Exception:  # noqa: BLE001 - the server may end the connection of such a client
        end.wait()
    finally:
        line.socket.close()
    return sent


def never_read(url: str, observation: Observation) -> socket.socket:
    """Ask as fast as the server takes it, in a thread, and read none of the answers."""
    line, _ = say_hello(url, "deaf")
    raw = line.socket
    line.recv_events = lambda: time.sleep(3600)  # type: ignore[method-assign]

    def ask() -> None:
        try:
            for sequence in range(1, 1_000_000):
                line.send(encode(infer_message(sequence, observation, jpeg=False)))
        except Exception:  # noqa: BLE001 - the server has ended it
            pass

    threading.Thread(target=ask, daemon=True).start()
    return raw


def free_port() -> int:
    """Return a port of this machine that is free now."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(ready: Callable[[], Any], seconds: float, words: Callable[[], str] = str) -> Any:
    """Return what `ready` returns once that is true.

    Raises:
        TimeoutError: It was not, within `seconds`; with `words`.
    """
    end = time.monotonic() + seconds
    while not (found := ready()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s; {words()[-2000:]}")
        time.sleep(0.05)
    return found


def tabletop_observation(seed: int = 0, instruction: str = "reach the red block") -> Observation:
    """Return a picture of the simulator, with an instruction."""
    from molmoact_ros.sim import Tabletop

    return Observation({"primary": Tabletop(seed).render()[0]}, instruction, stamp=0.0)
