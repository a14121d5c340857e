# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The audit has to find what the rest of the executor may not do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from molmoact_ros.control import Pose, rotation
from molmoact_ros.control.audit import command_fault
from molmoact_ros.control.pose import MotionState

REST = (0.0,) * 6
Audit = Callable[..., str | None]


@pytest.fixture
def audited(pose_rig: Any) -> tuple[Audit, Pose]:
    """Audit commands 0.01 s apart of an arm that follows poses; and the pose that it is at."""
    rig = pose_rig()
    here: Pose = rig.robot

    def audit(
        velocity: tuple[float, ...] = REST,
        before: tuple[float, ...] = REST,
        position: Pose = here,
        position_before: Pose = here,
    ) -> str | None:
        last = MotionState(np.array(before, float), position_before)
        return command_fault(
            rig.profile, last, MotionState(np.array(velocity, float), position), 0.01
        )

    return audit, here


def test_good_commands_pass(audited: tuple[Audit, Pose]) -> None:
    audit, _ = audited
    assert audit() is None
    assert audit(velocity=(0.3, 0, 0, 0, 0, 1.0), before=(0.29, 0, 0, 0, 0, 0.96)) is None


def test_each_violation_is_found(audited: tuple[Audit, Pose]) -> None:
    audit, here = audited
    tilted = rotation.turned(here.orientation, np.array([0.0, 0.7, 0.0]))
    outside = Pose(np.array([0.81, 0.0, 0.3]), here.orientation)
    nowhere = Pose(np.array([np.inf, 0.0, 0.0]), here.orientation)
    fast = (0.25, 0.2, 0, 0, 0, 0)
    found = {
        "not finite": audit(velocity=(np.nan, 0, 0, 0, 0, 0)),
        "is not finite": audit(position=nowhere),
        "linear speed": audit(velocity=fast, before=fast),
        "linear acceleration": audit(velocity=(0.016, 0, 0, 0, 0, 0)),
        "angular acceleration": audit(velocity=(0, 0, 0, 0, 0.051, 0)),
        "angular speed": audit(velocity=(0, 0, 0, 1.01, 0, 0), before=(0, 0, 0, 1.0, 0, 0)),
        "outside the workspace": audit(position=outside),
        "leans": audit(position=Pose(here.position, tilted)),
    }
    for words, fault in found.items():
        assert fault is not None and words in fault
    assert audit(position=outside, position_before=outside) is None, "no further out than before"


def test_the_joint_is_named(joint_rig: Any) -> None:
    profile, zero = joint_rig().profile, np.zeros(3)

    def wrist(value: float) -> np.ndarray:
        return np.array([0.0, 0.0, value])

    def audit(before: MotionState, now: MotionState, seconds: float = 0.01) -> str | None:
        return command_fault(profile, before, now, seconds)

    rest = MotionState(zero, zero)
    assert audit(rest, MotionState(wrist(0.03), zero)) is None
    assert audit(rest, MotionState(wrist(0.06), zero), 0.02) is None
    assert "wrist: acceleration" in str(audit(rest, MotionState(wrist(0.031), zero)))
    fast = audit(MotionState(wrist(0.8), zero), MotionState(wrist(0.81), zero))
    assert "wrist: speed" in str(fast)
    outside = audit(MotionState(zero, wrist(0.9)), MotionState(zero, wrist(0.91)))
    assert "wrist: position" in str(outside)
