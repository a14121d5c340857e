# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The executor's smaller parts, each alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from molmoact_ros.control import Pose, rotation
from molmoact_ros.control.audit import Audit
from molmoact_ros.control.braking import brakable_speed, braked
from molmoact_ros.control.clock import ClockWatch
from molmoact_ros.control.history import StateHistory
from molmoact_ros.control.jerk import JerkFilter, samples_for
from molmoact_ros.executor_node.loop import Pacer

ANGLE = st.floats(-3.0, 3.0)
VECTOR = st.tuples(ANGLE, ANGLE, ANGLE).map(np.array)


# Rotations.


@given(VECTOR, VECTOR)
def test_rotation_vectors_go_there_and_back(vector, point):
    q = rotation.from_rotation_vector(vector)
    angle = np.linalg.norm(vector)
    short = vector if angle <= np.pi else vector * (1 - 2 * np.pi / angle)
    np.testing.assert_allclose(rotation.to_rotation_vector(q), short, atol=1e-6)
    back = rotation.rotate(rotation.inverse(q), rotation.rotate(q, point))
    np.testing.assert_allclose(back, point, atol=1e-9)


def test_rpy_turns_about_fixed_axes_in_turn():
    q = rotation.from_rpy(np.array([np.pi / 2, 0.0, np.pi / 2]))
    # y goes up by the roll and stays up; x goes to y by the yaw.
    np.testing.assert_allclose(rotation.rotate(q, np.array([0, 1.0, 0])), [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(rotation.rotate(q, np.array([1.0, 0, 0])), [0, 1, 0], atol=1e-12)


@given(VECTOR, VECTOR, st.floats(0.0, 1.0))
def test_slerp_and_between_agree(a, b, weight):
    qa, qb = rotation.from_rotation_vector(a), rotation.from_rotation_vector(b)
    middle = rotation.slerp(qa, qb, weight)
    whole = np.linalg.norm(rotation.between(qa, qb))
    assert np.linalg.norm(rotation.between(qa, middle)) == pytest.approx(whole * weight, abs=1e-6)


# Braking.


@given(st.floats(0.0, 2.0), st.floats(0.5, 10.0), st.floats(0.005, 0.1))
def test_brakable_speed_stops_in_time_and_is_not_timid(distance, acceleration, dt):
    speed = brakable_speed(distance, acceleration, dt)
    velocity, travelled = np.array([speed]), speed * dt
    while velocity[0] > 0.0:
        velocity = braked(velocity, acceleration * dt)
        travelled += velocity[0] * dt
    assert travelled <= distance + 1e-9
    assert travelled >= distance - speed * dt - 1e-9, "comes close to the wall"


def test_braking_ends_at_exactly_zero():
    velocity = np.array([0.3, -0.1, 0.2])
    for _ in range(40):
        velocity = braked(velocity, 0.015)
    assert not velocity.any()


# Jerk.


def test_jerk_filter_keeps_the_way_and_knows_its_lead():
    jerk_filter, dt = JerkFilter((4, 1), 0.01), 0.01
    pushed = np.random.default_rng(0).normal(size=(50, 2))
    pushed[-4:] = 0.0
    went = ahead = np.zeros(2)
    for velocity in pushed:
        ahead = ahead + velocity * dt
        went = went + jerk_filter.push(velocity) * dt
        np.testing.assert_allclose(went + jerk_filter.lead, ahead, atol=1e-12)
    assert not jerk_filter.velocity.any()
    np.testing.assert_allclose(went, pushed.sum(axis=0) * dt)


@pytest.mark.parametrize(("jerk", "samples"), [(None, 1), (1000.0, 1), (30.0, 10), (100.0, 3)])
def test_samples_for_jerk(jerk, samples):
    assert samples_for(1.5, jerk, 0.01) == samples


# Clock.


def test_clock_gives_the_motion_the_time_that_passed():
    watch, now = ClockWatch(0.01, 0.2), 5.0
    watch.advance(now)
    for seconds in (0.01, 0.002, 0.018, 1e-6):
        now += seconds
        assert watch.advance(now).motion == pytest.approx(seconds, abs=1e-12)


def test_clock_that_stands_still_and_jumps():
    watch = ClockWatch(0.01, 0.2)
    watch.advance(5.0)
    still = [watch.advance(5.0).motion for _ in range(30)]
    assert still[:19] == [0.0] * 19 and still[19:] == [0.01] * 11 and watch.stands_still
    assert watch.advance(2.0).jumped_back == pytest.approx(3.0) and not watch.stands_still
    late = watch.advance(9.0)
    assert late.motion == pytest.approx(0.03), "a jump forward is not made up for"
    assert late.elapsed == 7.0


def test_pacer_keeps_the_grid_and_drops_what_is_missed():
    pacer = Pacer(0.01)
    assert pacer.start(1.0, 50.0) == 0.0
    assert pacer.wait(1.004) == pytest.approx(0.006)
    assert pacer.start(1.012, 50.012) == pytest.approx(0.002)
    assert pacer.wait(1.013) == pytest.approx(0.007), "the grid did not move"
    assert pacer.start(1.070, 50.070) == pytest.approx(0.050)
    assert pacer.wait(1.070) == pytest.approx(0.010), "five missed starts do not pile up"
    assert pacer.statistics().jitter == pytest.approx(0.050)
    assert pacer.statistics().real_time_factor == pytest.approx(1.0)


# History.


def test_history_interpolates_and_forgets():
    history = StateHistory(1.0)
    for i in range(30):
        assert history.add(0.1 * i, np.array([1.0 * i]))
    assert not history.add(2.9, np.array([0.0])), "not newer"
    np.testing.assert_allclose(history.at(2.55, 0.2), [25.5])
    assert history.at(0.5, 0.2) is None and history.at(3.2, 0.2) is None
    np.testing.assert_allclose(history.at(3.0, 0.2), [29.0])


def test_history_does_not_bridge_gaps():
    history = StateHistory(10.0)
    history.add(1.0, np.zeros(1))
    history.add(3.0, np.ones(1))
    assert history.at(2.0, 0.2) is None and history.at(1.1, 0.2) is not None


# Audit: it has to see what the rest may not do.


@pytest.fixture
def pose_audit(pose_rig):
    rig = pose_rig()
    audit, here = Audit(rig.profile), rig.robot

    def audit_one(velocity=(0,) * 6, before=(0,) * 6, position=here, position_before=here):
        return audit.fault(np.array(before, float), np.array(velocity, float), position,
                           position_before, seconds=0.01)  # fmt: skip

    return audit_one, here


def test_audit_lets_good_commands_pass(pose_audit):
    audit, _ = pose_audit
    assert audit() is None
    assert audit(velocity=(0.3, 0, 0, 0, 0, 1.0), before=(0.29, 0, 0, 0, 0, 0.96)) is None


def test_audit_sees_each_violation(pose_audit):
    audit, here = pose_audit
    tilted = rotation.turned(here.orientation, np.array([0.0, 0.7, 0.0]))
    outside = Pose(np.array([0.81, 0.0, 0.3]), here.orientation)
    fast = (0.25, 0.2, 0, 0, 0, 0)
    faults = [
        audit(velocity=(np.nan, 0, 0, 0, 0, 0)),
        audit(position=Pose(np.array([np.inf, 0, 0]), here.orientation)),
        audit(velocity=fast, before=fast),
        audit(velocity=(0.016, 0, 0, 0, 0, 0)),
        audit(velocity=(0, 0, 0, 0, 0.051, 0)),
        audit(velocity=(0, 0, 0, 1.01, 0, 0), before=(0, 0, 0, 1.0, 0, 0)),
        audit(position=outside),
        audit(position=Pose(here.position, tilted)),
    ]
    says = ["finite", "finite", "linear speed", "linear acceleration", "angular acceleration",
            "angular speed", "outside the workspace", "leans"]  # fmt: skip
    for fault, words in zip(faults, says, strict=True):
        assert fault is not None and words in fault
    assert audit(position=outside, position_before=outside) is None, "no further out than before"


def test_audit_of_joints_names_the_joint(joint_rig):
    rig = joint_rig()
    audit, zero = Audit(rig.profile), np.zeros(3)

    def wrist(value):
        return np.array([0.0, 0.0, value])

    assert audit.fault(zero, wrist(0.03), zero, zero, 0.01) is None
    assert audit.fault(zero, wrist(0.06), zero, zero, 0.02) is None
    assert "wrist: acceleration" in audit.fault(zero, wrist(0.031), zero, zero, 0.01)
    assert "wrist: speed" in audit.fault(wrist(0.8), wrist(0.81), zero, zero, 0.01)
    assert "wrist: position" in audit.fault(zero, zero, wrist(0.91), wrist(0.9), 0.01)
