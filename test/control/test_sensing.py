# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Measured states and the clock, each alone."""

from __future__ import annotations

import numpy as np
import pytest

from molmoact_ros.control.robot_profile import Execution
from molmoact_ros.control.sensing import ClockWatch, Sensing
from molmoact_ros.control.status import COUNTERS


def sensing_of(memory: float) -> tuple[Sensing, dict[str, int]]:
    """Return a sensing that looks up within 0.2 s and remembers for `memory` s; its counters."""
    counters = dict.fromkeys(COUNTERS, 0)
    execution = Execution(state_timeout=0.2, max_chunk_age=memory - 1.0)
    return Sensing("joint_states", execution, counters), counters


def joint_at(sensing: Sensing, stamp: float) -> float:
    """Return where the only joint was."""
    position = sensing.at(stamp)
    assert isinstance(position, np.ndarray)
    return float(position[0])


def test_positions_are_interpolated_and_forgotten() -> None:
    sensing, counters = sensing_of(memory=1.5)
    for i in range(30):
        sensing.observe(np.array([1.0 * i]), 0.1 * i, 0.1 * i)
    assert counters["state_out_of_order"] == 0
    sensing.observe(np.array([0.0]), 2.9, 2.9)
    assert counters["state_out_of_order"] == 1, "not newer"
    assert joint_at(sensing, 2.55) == pytest.approx(25.5)
    assert sensing.at(0.5) is None and sensing.at(3.2) is None
    assert joint_at(sensing, 3.0) == 29.0


def test_gaps_are_not_bridged() -> None:
    sensing, _ = sensing_of(memory=10.0)
    sensing.observe(np.zeros(1), 1.0, 1.0)
    sensing.observe(np.ones(1), 3.0, 3.0)
    assert sensing.at(2.0) is None and sensing.at(1.1) is not None


def test_clock_gives_the_motion_the_time_that_passed() -> None:
    watch, now = ClockWatch(0.01, 0.2), 5.0
    watch.advance(now)
    for seconds in (0.01, 0.002, 0.018, 1e-6):
        now += seconds
        assert watch.advance(now).motion == pytest.approx(seconds, abs=1e-12)


def test_clock_that_stands_still_and_jumps() -> None:
    watch = ClockWatch(0.01, 0.2)
    watch.advance(5.0)
    still = [watch.advance(5.0).motion for _ in range(30)]
    assert still[:19] == [0.0] * 19 and still[19:] == [0.01] * 11 and watch.stands_still
    assert watch.advance(2.0).jumped_back == pytest.approx(3.0) and not watch.stands_still
    late = watch.advance(9.0)
    assert late.motion == pytest.approx(0.03), "a jump forward is not made up for"
    assert late.elapsed == 7.0
