# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Threads of a node that cannot end unseen, and callbacks in such a thread."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.executors import ExternalShutdownException, ShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from .diagnostics import Diagnosis, Level
from .running import ClosableNode

_PAUSE = 0.1  # s after an exception, so that one that comes back at once does not fill a core
_SHOWN = 10.0  # s for which diagnostics report an exception as an error
_LOG_PERIOD = 2.0  # s; of each thread, or one would hide the other's
_LONGEST_WAIT = 0.1  # s, for a callback


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


class CallbackThread:
    """Runs the callbacks of `group`; nothing else runs them, and they never run before `start`.

    For messages that come often. At each of them rclpy's executors gather all that the node waits
    for, several times, and pass it between threads. For a node with the services of parameters and
    life cycle that costs ten times more than receiving an image, and frames get late. Here only
    the members of the group are gathered.

    Attributes:
        group: To be given to the subscriptions.
        thread: The thread itself; a callback's exception is counted there.
    """

    def __init__(self, node: ClosableNode, name: str) -> None:
        """Prepare.

        Args:
            node: Has the subscriptions; its own executor goes on to run the rest.
            name: Of the thread.
        """
        self.group = _OneThreadGroup()
        self.thread = NodeThread(node, name, self._spin_once)
        self._node = node
        self._executor: _GroupExecutor | None = None

    def start(self) -> None:
        """Start the thread; it must not run."""
        self._executor = _GroupExecutor(self._node, self.group)
        self.thread.start()

    def stop(self) -> None:
        """End the thread after its present callback; must not be called in one."""
        self.thread.stop()
        self.thread.join()
        self.group.thread = None
        if self._executor is not None:
            self._executor.shutdown()
            self._executor = None

    def _spin_once(self) -> None:
        assert self._executor is not None
        self.group.thread = threading.get_ident()
        try:
            self._executor.spin_once(timeout_sec=_LONGEST_WAIT)
        except (ShutdownException, ExternalShutdownException):
            self.thread.stop()  # ROS ended before the node


class _OneThreadGroup(CallbackGroup):
    """Lets its callbacks run in one thread only, hence one at a time."""

    thread: int | None = None

    def can_execute(self, entity: Any) -> bool:
        return threading.get_ident() == self.thread

    def beginning_execution(self, entity: Any) -> bool:
        return True

    def ending_execution(self, entity: Any) -> None:
        pass


class _GroupExecutor(SingleThreadedExecutor):
    """Sees one group of a node that another executor spins."""

    def __init__(self, node: Node, group: CallbackGroup) -> None:
        super().__init__(context=node.context)
        self._watched = node
        self._group = group

    def get_nodes(self) -> list[Node]:
        return [self._watched]

    def can_execute(self, entity: Any) -> bool:
        return entity.callback_group is self._group and super().can_execute(entity)
