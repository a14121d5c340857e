# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Motion while somebody looks on, and no longer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from molmoact_ros.msg import ExecutorStatus
from std_msgs.msg import Empty

DISABLED = ExecutorStatus.STATE_DISABLED
TIMEOUT = 2.0  # s; this process may have to wait for a core meanwhile
TOPIC = "operator_heartbeat"


class Operator:
    """Publishes beats at 10 Hz until it is stopped."""

    def __init__(self, lab: Any) -> None:
        self._lab = lab
        self.beats = threading.Event()
        self.last = 0.0  # s of time.monotonic
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(0.1):
            if self.beats.is_set():
                self._lab.publish(Empty, TOPIC, Empty())
                self.last = time.monotonic()

    def end(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()


@pytest.fixture
def watched(new_lab: Callable[..., Any]) -> Iterator[tuple[Any, Operator]]:
    lab = new_lab(operator_heartbeat=TIMEOUT)
    operator = Operator(lab)
    yield lab, operator
    operator.end()


def test_motion_ends_with_the_heartbeat_and_does_not_come_back_with_it(
    watched: tuple[Any, Operator], steps: Any, measured: Callable[[str, float], None]
) -> None:
    lab, operator = watched
    lab.until(lambda: lab.statuses, "the executor")
    assert "no ~/operator_heartbeat has come" in lab.enable().message
    operator.beats.set()
    lab.until(lambda: lab.enable().success, "motion")
    lab.policy()
    lab.until_moving()
    operator.beats.clear()
    lab.until_state(DISABLED)
    measured("last heartbeat -> rest", lab.until_rest() - operator.last)
    assert "no ~/operator_heartbeat for 2 s" in lab.status.reason
    assert lab.count("stopped_operator") == 1
    # It is back, and nothing moves before somebody has enabled motion.
    received = len(lab.twists)
    operator.beats.set()
    time.sleep(1.5)
    assert len(lab.twists) == received and lab.status.state == DISABLED
    lab.until(lambda: lab.enable().success, "motion")
    lab.until_moving()
