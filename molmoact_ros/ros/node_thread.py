# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Threads of a node that cannot end unseen."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterable

from .diagnostics import Diagnosis, Level
from .running import ClosableNode

_PAUSE = 0.1  # s after an exception, so that one that comes back at once does not fill a core
_SHOWN = 10.0  # s for which diagnostics report an exception as an error
_LOG_PERIOD = 2.0  # s; of each thread, or one would hide the other's


class NodeThread:
    """Calls a function again and again until `stop`.

    An exception is counted and logged, and the thread goes on with the next call. What ends the
    thread all the same (SystemExit of a library, an exception while one is handled) ends the
    process with exit code 1, so that a supervisor can start it again.

    Attributes:
        name: Of the thread.
        failures: Exceptions so far.
        last_failure: The latest of them, in words.
    """

    def __init__(self, node: ClosableNode, name: str, call: Callable[[], None]) -> None:
        """Prepare.

        Args:
            node: Logs, and is ended by what the thread cannot go on from.
            name: Of the thread, in log and diagnostics.
            call: One pass; should return within 0.1 s or so where there is nothing to do.
        """
        self.name = name
        self.failures = 0
        self.last_failure = ""
        self._node = node
        self._call = call
        self._failed_at = -_SHOWN  # s of time.monotonic
        self._next_log = 0.0
        self._stopping = threading.Event()
        self._stopping.set()
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether the thread runs, perhaps only until the end of its present pass."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_stopping(self) -> bool:
        """Whether it was not started, or has to stop."""
        return self._stopping.is_set()

    @property
    def problem(self) -> str:
        """What diagnostics report as an error; empty: nothing."""
        if not self.is_running and not self.is_stopping:
            return f"thread '{self.name}' has ended"
        if time.monotonic() < self._failed_at + _SHOWN:
            return f"thread '{self.name}': {self.last_failure}"
        return ""

    def start(self) -> None:
        """Start; it must not run."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the present pass be the last one."""
        self._stopping.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended, at most `timeout` s."""
        if self._thread is not None:
            self._thread.join(timeout)

    def wait(self, seconds: float) -> None:
        """Wait in a pass; `stop` ends that."""
        self._stopping.wait(seconds)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self._call()
                except Exception as error:  # noqa: BLE001 - the next pass may be a better one
                    self._report(error)
                    self._stopping.wait(_PAUSE)
        except BaseException:  # noqa: BLE001 - Python would end the thread without a word
            self._node.fail(f"thread '{self.name}' has ended:\n{traceback.format_exc()}")

    def _report(self, error: Exception) -> None:
        self.failures += 1
        self.last_failure = f"{type(error).__name__}: {error}"
        self._failed_at = now = time.monotonic()
        logger = self._node.get_logger()
        logger.debug(traceback.format_exc())
        if now >= self._next_log:
            self._next_log = now + _LOG_PERIOD
            logger.error(f"{self.name} failed: {self.last_failure}")


def thread_status(threads: Iterable[NodeThread]) -> Diagnosis:
    """Return whether the threads of a node live, and how often each has failed."""
    threads = tuple(threads)
    values: dict[str, object] = {}
    for thread in threads:
        values[thread.name] = "running" if thread.is_running else "stopped"
        values[f"failures {thread.name}"] = thread.failures
    problems = [thread.problem for thread in threads if thread.problem]
    return Diagnosis(Level.ERROR if problems else Level.OK, "; ".join(problems) or "ok", values)
