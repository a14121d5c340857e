# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A thread of a node goes on after an exception, or ends the process; never unseen."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from molmoact_ros.ros import node_thread
from molmoact_ros.ros.diagnostics import Level
from molmoact_ros.ros.node_thread import NodeThread, thread_status
from molmoact_ros.ros.running import ClosableNode

PATIENCE = 60.0  # s


class Work:
    """Passes of a thread; each takes what it raises from `faults`, or waits."""

    def __init__(self, node: ClosableNode) -> None:
        self.faults: list[BaseException] = []
        self.passes = threading.Semaphore(0)
        self.thread = NodeThread(node, "worker", self._pass)

    def _pass(self) -> None:
        self.passes.release()
        if self.faults:
            raise self.faults.pop()
        self.thread.wait(0.01)

    def go_on(self) -> None:
        """Wait until another pass has begun after all faults."""
        while not self.passes.acquire(blocking=False):
            pass
        for _ in range(3):
            assert self.passes.acquire(timeout=PATIENCE)


@pytest.fixture
def node(client: Any) -> Iterator[ClosableNode]:
    made = ClosableNode("with_threads", context=client.node.context)
    yield made
    made.destroy_node()


@pytest.fixture
def work(node: ClosableNode) -> Iterator[Work]:
    made = Work(node)
    yield made
    made.thread.stop()
    made.thread.join(PATIENCE)
    assert not made.thread.is_running


def test_an_exception_is_counted_and_shown_and_the_thread_goes_on(
    work: Work, node: ClosableNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert thread_status([work.thread]).values["worker"] == "stopped"
    work.thread.start()
    work.go_on()
    assert thread_status([work.thread]).level is Level.OK
    work.faults = [ValueError("broken"), RuntimeError("torn")]
    work.go_on()
    status = thread_status([work.thread])
    assert status.level is Level.ERROR
    assert status.message == "thread 'worker': ValueError: broken"
    assert status.values == {"worker": "running", "failures worker": 2}
    assert not node.has_failed
    monkeypatch.setattr(node_thread, "_SHOWN", 0.0)  # the time has passed
    assert thread_status([work.thread]).level is Level.OK


class Unprintable(Exception):
    """An exception whose report fails too."""

    def __str__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize("fault", [SystemExit(3), KeyboardInterrupt(), Unprintable()])
def test_what_ends_the_thread_ends_the_process(
    work: Work, node: ClosableNode, fault: BaseException
) -> None:
    work.thread.start()
    work.faults = [fault]
    work.thread.join(PATIENCE)
    assert (node.has_failed, node.exit_code) == (True, 1)
    status = thread_status([work.thread])
    assert (status.level, status.message) == (Level.ERROR, "thread 'worker' has ended")


def test_a_thread_that_was_stopped_is_no_fault_and_starts_again(work: Work) -> None:
    work.thread.start()
    work.thread.stop()
    work.thread.join(PATIENCE)
    assert thread_status([work.thread]).level is Level.OK
    work.thread.start()
    work.go_on()
