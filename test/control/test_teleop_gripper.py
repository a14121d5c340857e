# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A person's gripper: by its changes, and only while motion is enabled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from molmoact_ros.control import State

from .conftest import Person, X, human


def test_the_gripper_is_commanded_by_its_changes(twist_rig: Any, steps: Any) -> None:
    """A leader publishes its gripper all the time."""
    rig = twist_rig().enabled()
    rig.send(steps(x=0.02, gripper=0.0))
    rig.tick()
    for _ in range(3):
        assert rig.executor.grip(0.01, rig.now) is None
        rig.tick()
    assert rig.executor.state is State.EXECUTING
    assert rig.executor.grip(0.8, rig.now) is None
    assert rig.executor.state is State.TELEOP and human(rig)
    rig.tick()
    assert rig.commands[-1][1].gripper == 0.8
    for _ in range(200):
        rig.executor.grip(0.81, rig.now)
        rig.tick()
    assert rig.executor.state is State.READY and rig.executor.reason == "at rest: the person let go"
    assert rig.send(steps(x=0.02, gripper=0.0)) is None, "that stream does not keep the arm"
    rig.tick(2)
    assert rig.commands[-1][1].gripper == 0.0
    rig.seconds(1.2)
    rig.executor.grip(0.8, rig.now)
    rig.tick()
    assert rig.commands[-1][1].gripper == 0.8, "pressed again: compared with what is commanded"


def test_the_policys_gripper_stops_with_its_chunk(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    rows = steps(x=0.02)
    rows[4:, 6] = 1.0
    rig.send(rows)
    rig.seconds(0.2)
    Person(rig).hold(X, 0.6)
    assert rig.commands[-1][1].gripper == 0.0


def test_a_gripper_with_two_positions_is_opened_or_closed(twist_rig: Any) -> None:
    rig = twist_rig({"action.gripper.mode": "binary"}).enabled()
    for value, command in ((0.7, 1.0), (0.3, 0.0)):
        rig.executor.grip(value, rig.now)
        rig.tick()
        assert rig.commands[-1][1].gripper == command


def test_a_gripper_that_is_published_all_the_time_does_nothing_after_enable(twist_rig: Any) -> None:
    rig = twist_rig()
    for _ in range(50):
        rig.executor.grip(0.6, rig.now)
        rig.tick()
    rig.enabled()
    for _ in range(50):
        rig.executor.grip(0.6, rig.now)
        rig.tick()
    assert rig.executor.state is State.READY and rig.commands[-1][1].gripper is None
    rig.executor.grip(0.7, rig.now)
    rig.tick()
    assert rig.commands[-1][1].gripper == 0.7


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 1.1])
def test_a_bad_gripper_is_refused(twist_rig: Any, value: float) -> None:
    rig = twist_rig().enabled()
    assert "must be 0..1" in rig.executor.grip(value, rig.now)
    assert rig.count("teleop_refused_gripper") == 1 and rig.executor.state is State.READY
