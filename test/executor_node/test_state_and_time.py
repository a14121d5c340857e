# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The robot's measured state, the clock, and a machine without a free core."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped
from molmoact_ros.msg import ExecutorStatus
from std_msgs.msg import Header

HOME = np.array([1.27, 0.75, 0.60])
HALTED, READY = ExecutorStatus.STATE_HALTED, ExecutorStatus.STATE_READY
PARAMETERS = {"execute_steps": 30}


def circle() -> np.ndarray:
    """Return steps that last longer than a busy machine is late."""
    values = np.zeros((30, 7))
    angles = 0.3 * np.arange(len(values))
    values[:, 0], values[:, 1] = 0.02 * np.cos(angles), 0.02 * np.sin(angles)
    return values


def test_stale_pose(robot: Any, steps: Any, measured: Callable[[str, float], None]) -> None:
    robot.drive(circle())
    robot.reports, since = False, time.monotonic()
    measured("last pose -> rest", robot.until_rest() - since)
    robot.until(lambda: "at rest: ee_pose is" in robot.status.reason, "the reason")
    refused = robot.count("refused_unhealthy")
    robot.chunk(steps())
    robot.until(lambda: robot.count("refused_unhealthy") == refused + 1, "the refusal")
    assert robot.speed == 0.0
    robot.reports = True
    robot.until(lambda: robot.enable().success, "health")
    robot.drive(steps())


def test_nan_pose(robot: Any, steps: Any) -> None:
    robot.drive(steps())
    robot.robot_works = False
    before = robot.count("state_not_finite")
    robot.arm.put(np.full(3, np.nan))
    robot.until_rest()
    robot.until(lambda: robot.count("state_not_finite") > before, "the count")


def test_pose_in_another_frame_is_not_used(robot: Any) -> None:
    robot.drive(circle())
    robot.frame = "world"
    robot.until_rest()
    robot.until(lambda: "at rest: ee_pose is" in robot.status.reason, "the reason")
    assert robot.status.state == READY
    robot.frame = "base_link"


@pytest.mark.parametrize(
    "message",
    [PoseStamped(header=Header(frame_id="f" * 400_000)), b"\x00\x01\x00\x00\xff\xff\xff\xff"],
    ids=["large", "broken"],
)
def test_a_bad_pose_changes_nothing(robot: Any, steps: Any, message: Any) -> None:
    robot.drive(steps())
    robot.until_refused(PoseStamped, "ee_pose", message)
    robot.drive(steps(x=-0.02))


@pytest.mark.parametrize("x", [0.02, pytest.param(0.002, marks=pytest.mark.long)])
def test_robot_that_does_not_follow_halts(robot: Any, steps: Any, x: Any) -> None:
    """The pose stays as it is, with fresh stamps: 0.25 m and the ramp are commanded at most."""
    robot.robot_works, before = False, len(robot.twists)

    def persist() -> Any:
        robot.chunk(steps(x=x))
        time.sleep(0.3)
        return robot.status.state == HALTED

    robot.until(persist, "the halt", timeout=300.0)
    assert "max_following_error is 0.25" in robot.status.reason
    robot.until_rest()
    stamps = np.array([stamp for _, stamp, _ in robot.twists[before:]])
    velocities = np.array([velocity for _, _, velocity in robot.twists[before:]])
    # A machine that is busy leaves the robot with its last velocity: that counts, for 0.2 s.
    seconds = np.minimum(np.diff(stamps), 0.2)
    commanded = np.linalg.norm((velocities[:-1] * seconds[:, None]).sum(axis=0))
    assert 0.24 < commanded < 0.25 + 0.1 * x**2 / 0.003 + 2.0 * x


def test_measured_pose_far_from_the_command_halts(robot: Any, steps: Any) -> None:
    robot.drive(steps())
    robot.arm.put(HOME + [0.0, 0.3, 0.0])
    robot.until_state(HALTED)
    robot.until_rest()


def test_all_cores_busy(robot: Any, steps: Any, measured: Callable[[str, float], None]) -> None:
    """The arm moves or stops, whatever this machine still manages, but never out of its limits."""
    robot.burn(2 * (os.cpu_count() or 2))
    for i in range(6):
        robot.chunk(steps(x=0.02 * (-1) ** i))
        time.sleep(0.4)
    measured("loop rate under load, Hz", robot.status.loop_rate)
    assert robot.count("halted_internal") == 0
    robot.stop_children()
    robot.prepare()
    robot.drive(steps())


def test_simulated_clock_pauses_jumps_back_and_is_no_time(
    new_lab: Any, steps: Any, measured: Callable[[str, float], None]
) -> None:
    lab = new_lab(use_sim_time=True)
    lab.prepare()
    lab.drive(steps())
    lab.clock_runs, since = False, time.monotonic()
    measured("simulated clock stops -> rest", lab.until_rest() - since)
    lab.until(lambda: "clock stands still" in lab.status.reason, "the reason")
    assert not lab.enable().success or lab.status.state == READY
    lab.clock_runs = True
    lab.prepare()
    lab.drive(steps())
    lab.time = 5.0
    lab.until_rest()
    lab.until(lambda: lab.count("clock_jumped_back"), "the jump")
    assert lab.count("clock_jumped_back") == 1
    lab.until(lambda: lab.enable().success, "health")
    lab.drive(steps())
    for seconds in (-1, -(2**31)):  # among good ones
        lab.publish_clock(seconds)
    lab.until_rest()
    lab.prepare()
    lab.drive(steps())
    lab.clock_runs = False  # nothing but bad ones
    lab.until(lambda: lab.publish_clock(-1) or lab.speed == 0.0, "rest")
    assert lab.process.poll() is None
    lab.clock_runs = True
    lab.prepare()
    lab.drive(steps())
