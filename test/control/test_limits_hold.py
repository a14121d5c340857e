# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whatever comes in, no command leaves its limits: checked by arithmetic of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from molmoact_ros.control import Pose
from molmoact_ros.control.rotation import from_rotation_vector, multiply, rotate

SETTINGS = settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
TINY = 1e-7


@st.composite
def events(draw: Any) -> Any:
    """Return a list of (what happens, how many periods pass then)."""
    kinds = ["calm", "calm", "calm", "wild", "off", "on", "halt", "clear", "silence", "kick"]
    kind = st.sampled_from(kinds)
    return draw(
        st.lists(st.tuples(kind, st.integers(1, 40), st.integers(0, 2**32 - 1)), max_size=10)
    )


def happen(rig: Any, kind: str, rng: Any, columns: int) -> None:
    """Let something happen to the executor."""
    if kind in ("calm", "wild"):
        rows = rng.uniform(-0.06, 0.06, size=(rng.integers(1, 12), columns))
        if kind == "calm":  # one direction for long enough to reach the limits
            rows[:] = rows[0]
        elif rng.random() < 0.3:
            rows[rng.integers(len(rows)), rng.integers(columns)] = rng.choice(
                [np.nan, np.inf, 1e9, -1e300, 0.11]
            )
        rig.send(rows, stamp=rig.now - rng.choice([0.0, 0.05, 0.3]))
    elif kind == "off":
        rig.executor.disable()
    elif kind == "on":
        rig.executor.enable(rig.now)
    elif kind == "halt":
        rig.executor.halt("test")
    elif kind == "clear":
        rig.executor.clear()
        rig.executor.enable(rig.now)
    elif kind == "silence":
        rig.reports = not rig.reports
    elif kind == "kick":
        rig.now += 0.02  # two periods were missed


def run(rig: Any, happenings: Any, columns: int) -> None:
    rig.enabled()
    for kind, periods, seed in happenings:
        happen(rig, kind, np.random.default_rng(seed), columns)
        rig.tick(periods)
    rig.reports = True
    rig.seconds(1.6)
    assert rig.count("halted_internal") == 0
    assert not rig.velocities[-1].any(), "without chunks the arm comes to rest"


def assert_bounded(vectors: np.ndarray, speed: float, acceleration: float, rig: Any) -> None:
    """Norms of velocities and of their changes; a late call makes up for 3 periods at most."""
    assert np.isfinite(vectors).all()
    assert np.linalg.norm(vectors, axis=1).max() <= speed + TINY
    seconds = np.diff([t for t, _ in rig.commands])
    changes = np.linalg.norm(np.diff(vectors, axis=0), axis=1)
    assert (changes <= acceleration * np.minimum(seconds, 3 * rig.dt) + TINY).all()


@SETTINGS
@given(events())
def test_twists(twist_rig: Any, happenings: Any) -> None:
    rig = twist_rig()
    run(rig, happenings, columns=7)
    assert_bounded(rig.velocities[:, :3], 0.3, 1.5, rig)
    assert_bounded(rig.velocities[:, 3:], 1.0, 5.0, rig)


@SETTINGS
@given(events(), st.sampled_from([None, 20.0]))
def test_poses(pose_rig: Any, happenings: Any, jerk: float | None) -> None:
    rig = pose_rig({"limits.linear.jerk": jerk})
    run(rig, happenings, columns=7)
    assert_bounded(rig.velocities[:, :3], 0.3, 1.5, rig)
    assert_bounded(rig.velocities[:, 3:], 1.0, 5.0, rig)
    positions = np.array([c.position.position for _, c in rig.commands])
    assert (positions >= np.array([0.2, -0.5, 0.0]) - TINY).all()
    assert (positions <= np.array([0.8, 0.5, 0.6]) + TINY).all()
    for _, command in rig.commands:
        fingers = rotate(command.position.orientation, np.array([1.0, 0.0, 0.0]))
        assert np.arccos(np.clip(-fingers[2], -1, 1)) <= 0.6 + 1e-5


@SETTINGS
@given(events(), st.sampled_from([None, 40.0]))
def test_joints(joint_rig: Any, happenings: Any, jerk: float | None) -> None:
    names = ("shoulder", "elbow", "wrist")
    rig = joint_rig({f"limits.joints.{name}.jerk": jerk for name in names})
    run(rig, happenings, columns=4)
    for axis in range(3):
        assert_bounded(rig.velocities[:, axis : axis + 1], 0.8, 3.0, rig)
    positions = np.array([c.position for _, c in rig.commands])
    assert np.abs(positions).max() <= 0.9 + TINY


@SETTINGS
@given(
    st.lists(st.tuples(*[st.floats(-1.0, 1.0)] * 3), min_size=20, max_size=60),
    st.tuples(*[st.floats(-0.05, 0.05)] * 3),
)
def test_any_wanted_velocity_in_any_place_keeps_the_box(
    twist_rig: Any, wishes: Any, start: Any
) -> None:
    """The translation alone, pushed at random near a corner of its box."""
    from molmoact_ros.control.motion import Translation

    limits = twist_rig().profile.limits
    motion = Translation(limits.linear, limits.workspace, 0.01)
    low, high = np.array(limits.workspace.min), np.array(limits.workspace.max)
    position, velocity = np.clip(high - 0.06 + np.array(start), low, high), np.zeros(3)
    for wish in wishes:
        for _ in range(5):
            before = velocity
            velocity, _ = motion.next(position, velocity, np.array(wish))
            position = position + velocity * 0.01
            assert np.linalg.norm(velocity) <= 0.3 + 1e-12
            assert np.linalg.norm(velocity - before) <= 0.015 + 1e-12
            assert (position <= high + 1e-8).all() and (position >= low - 1e-8).all()


@SETTINGS
@given(st.lists(st.tuples(*[st.floats(-3.0, 3.0)] * 3), min_size=20, max_size=60))
def test_any_wanted_turn_keeps_the_cone(twist_rig: Any, wishes: Any) -> None:
    from molmoact_ros.control.motion import Rotation

    rig = twist_rig()
    motion = Rotation(rig.profile.limits.angular, rig.profile.limits.orientation, 0.01)
    orientation, velocity = rig.robot.orientation, np.zeros(3)
    for wish in wishes:
        for _ in range(8):
            before = velocity
            velocity, _ = motion.next(orientation, velocity, np.array(wish))
            orientation = multiply(from_rotation_vector(velocity * 0.01), orientation)
            fingers = rotate(orientation, np.array([1.0, 0.0, 0.0]))
            assert np.arccos(np.clip(-fingers[2], -1, 1)) <= 0.6 + 1e-6
            assert np.linalg.norm(velocity) <= 1.0 + 1e-12
            assert np.linalg.norm(velocity - before) <= 0.05 + 1e-12


@pytest.mark.parametrize("jerk", [5.0, 30.0])
def test_jerk_is_bounded(pose_rig: Any, steps: Any, jerk: float) -> None:
    rig = pose_rig({"limits.linear.jerk": jerk}).enabled()
    for i in range(8):
        rig.send(steps(x=0.03 * (-1) ** i, y=0.02 * (-1) ** (i // 2)))
        rig.seconds(0.25 + 0.1 * i)
    acceleration = np.diff(rig.velocities[:, :3], axis=0) / rig.dt
    measured = np.linalg.norm(np.diff(acceleration, axis=0), axis=1).max() / rig.dt
    assert 0.3 * jerk < measured <= jerk * (1 + 1e-6)


def test_slides_along_a_wall(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig()
    rig.robot = Pose(np.array([0.7, -0.4, 0.3]), rig.robot.orientation)
    rig.enabled()
    for _ in range(6):
        rig.send(steps(x=0.02, y=0.02))
        rig.seconds(0.5)
    assert rig.robot.position[0] == pytest.approx(0.8, abs=1e-3)
    assert rig.robot.position[1] > 0.1, "the wall stops x, not y"
    assert rig.count("clamped_position") > 0


def test_the_last_command_is_zero_to_the_last_bit(joint_rig: Any) -> None:
    """Also when the motion that was asked for is nothing but rounding."""
    rig = joint_rig({"outputs.forward.interface": "velocity"}).enabled()
    rows = np.zeros((8, 4))
    rows[:, :3] = 1e-18
    rig.send(rows)
    rig.seconds(0.3)
    assert rig.velocities[-1].any()
    rig.executor.disable()
    rig.tick(3)
    assert rig.commands[-1][1].final and not rig.velocities[-1].any()


def test_rest_is_more_than_a_mean_of_zero(pose_rig: Any, steps: Any) -> None:
    """Turned round at full speed, the mean of the jerk filter passes through zero."""
    rig = pose_rig({"limits.linear.jerk": 15.0}).enabled()
    for sign in (1, -1, 1, -1):
        rig.send(steps(x=0.02 * sign))
        rig.seconds(0.4)
        rig.executor.disable()
        rig.executor.enable(rig.now)
        rig.tick(1)
    rig.seconds(1.0)
    acceleration = np.diff(rig.velocities[:, :3], axis=0) / rig.dt
    assert np.linalg.norm(acceleration, axis=1).max() <= 1.5 + 1e-6
    assert not rig.velocities[-1].any()
