# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Enable, disable, halt, clear, and the end of the process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from molmoact_ros.msg import ExecutorStatus

DISABLED, HALTED = ExecutorStatus.STATE_DISABLED, ExecutorStatus.STATE_HALTED


def silence_after(robot: Any, state: Any) -> None:
    robot.until_state(state)
    seen = len(robot.statuses)  # the next but one is of after the last twist
    robot.until(lambda: len(robot.statuses) > seen + 1, "statuses")
    robot.until_rest()
    received = len(robot.twists)
    time.sleep(0.3)
    assert len(robot.twists) == received, "nothing is published any more"


def test_disable_ramps_down_and_nothing_more_is_published(
    robot: Any, steps: Any, measured: Callable[[str, float], None]
) -> None:
    robot.drive(steps())
    asked = time.monotonic()
    robot.enable(False)
    measured("disable -> rest", robot.until_rest() - asked)
    silence_after(robot, DISABLED)
    refused = robot.count("refused_not_enabled")
    robot.chunk(steps())
    robot.until(lambda: robot.count("refused_not_enabled") == refused + 1, "the refusal")
    assert robot.speed == 0.0


def test_halt_is_latched(robot: Any, steps: Any, measured: Callable[[str, float], None]) -> None:
    robot.drive(steps())
    asked = time.monotonic()
    robot.call("halt")
    measured("halt -> rest", robot.until_rest() - asked)
    silence_after(robot, HALTED)
    answer = robot.enable()
    assert not answer.success and "clear" in answer.message
    assert robot.call("clear").success
    robot.until(lambda: robot.enable().success, "motion")


def test_enable_toggled_at_50_hz(robot: Any, steps: Any) -> None:
    for i in range(50):
        robot.enable(bool(i % 2), wait=False)
        if i % 5 == 0:
            robot.chunk(steps())
        time.sleep(0.02)
    robot.prepare()


def test_a_storm_of_requests_leaves_the_motion_and_the_halt_as_they_are(
    robot: Any, steps: Any
) -> None:
    """Most of these are lost, because services queue ten requests; none may do harm."""
    robot.drive(steps(rows=30))
    cleared = [robot.send("clear") for _ in range(100)]
    enabled = [robot.enable(wait=False) for _ in range(100)]
    assert "not halted" in robot.call("clear").message
    assert robot.call("halt").success
    silence_after(robot, HALTED)
    robot.until(lambda: any(f.done() for f in cleared) and any(f.done() for f in enabled), "some")
    assert not any(future.result().success for future in cleared if future.done())
    assert robot.status.state == HALTED


def test_nothing_is_published_before_enable_and_sigterm_ends_with_zero(
    new_lab: Any, steps: Any, measured: Callable[[str, float], None]
) -> None:
    started = time.monotonic()
    lab = new_lab()
    lab.until(lambda: lab.statuses, "the first status")
    measured("start of the process -> first status", time.monotonic() - started)
    assert lab.twists == []
    lab.prepare()
    lab.drive(steps())
    asked = time.monotonic()
    lab.process.terminate()
    assert lab.process.wait(60) == 0
    measured("SIGTERM -> end of the process", time.monotonic() - asked)
    lab.until_rest()
