# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The loop is called early, late and twice: by the stamps, no two commands leave the limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from molmoact_ros.control import Pose, rotation
from molmoact_ros.control.pose import moved_on

SETTINGS = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
# s between two calls of a loop of 100 Hz: the ordinary jitter, the grid's shift, a busy machine.
INTERVALS = st.lists(
    st.one_of(
        st.floats(0.0099, 0.0101), st.floats(0.0, 0.03),
        st.sampled_from([0.0, 1e-6, 2e-4, 0.01, 0.0102, 0.02, 0.03, 0.06]),
    ),
    min_size=30, max_size=120,
)  # fmt: skip


def call(rig: Any, seconds: float) -> Any:
    """Let the loop run once, after so many s; the robot follows each command at once."""
    rig.now += seconds
    rig.executor.observe(rig.robot, rig.now, rig.now)
    command = rig.executor.step(rig.now)
    rig.commands.append((rig.now, command))
    if rig.profile.outputs.commands_positions:
        rig.robot = command.position
    else:
        rig.robot = moved_on(rig.robot, command.velocity * seconds)
    return command


def run(rig: Any, intervals: list[float], seed: int, axes: int) -> tuple[np.ndarray, np.ndarray]:
    """Go to and fro, with stops; return stamps and velocities."""
    rng = np.random.default_rng(seed)
    rig.enabled()
    for i, seconds in enumerate(intervals):
        if i % 12 == 0:
            row = np.append(rng.uniform(-0.06, 0.06, axes), 0.0)
            rig.send(np.tile(row, (8, 1)))
        if i % 40 == 39:
            rig.executor.disable()
            rig.executor.enable(rig.now)
        call(rig, seconds)
    assert rig.count("halted") == 0
    times = np.array([command.stamp for _, command in rig.commands])
    return times, rig.velocities


def assert_smooth(times: np.ndarray, vectors: np.ndarray, acceleration: float) -> None:
    """No change is larger than the acceleration times the time between the stamps."""
    changes = np.linalg.norm(np.diff(vectors, axis=0), axis=1)
    assert (changes <= acceleration * np.diff(times) * (1.0 + 1e-6) + 1e-12).all()


@SETTINGS
@given(INTERVALS, st.integers(0, 999), st.sampled_from([None, 20.0]))
def test_twists(twist_rig: Any, intervals: list[float], seed: int, jerk: float | None) -> None:
    rig = twist_rig({"limits.linear.jerk": jerk})
    times, velocities = run(rig, intervals, seed, 6)
    assert_smooth(times, velocities[:, :3], 1.5)
    assert_smooth(times, velocities[:, 3:], 5.0)


@SETTINGS
@given(INTERVALS, st.integers(0, 999), st.sampled_from(["joint_jog", "forward"]))
def test_joint_velocities(joint_rig: Any, intervals: list[float], seed: int, output: str) -> None:
    outputs: dict[str, Any] = {"outputs.forward": None, "outputs.joint_jog": {}}
    rig = joint_rig(outputs if output == "joint_jog" else {"outputs.forward.interface": "velocity"})
    times, velocities = run(rig, intervals, seed, 3)
    for axis in range(3):
        assert_smooth(times, velocities[:, axis : axis + 1], 3.0)


def differences(times: np.ndarray, positions: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean velocities between stamps, and the times between those in the middle."""
    steps = [
        np.append(b.position - a.position, rotation.between(a.orientation, b.orientation))
        if isinstance(a, Pose)
        else b - a
        for a, b in zip(positions, positions[1:], strict=False)
    ]
    periods = np.diff(times)
    kept = periods > 0.0
    assert not np.any(np.array(steps)[~kept]), "the same stamp, the same position"
    speeds = np.array(steps)[kept] / periods[kept, None]
    middles = times[1:][kept] - 0.5 * periods[kept]
    return speeds, np.diff(middles)


# Late by more than three periods the motion waits, which positions show as a stop: left out here.
PUNCTUAL = INTERVALS.map(lambda intervals: [min(seconds, 0.03) for seconds in intervals])
SHORTEST = 1e-4  # s; differences over less than that are rounding
ROUNDING = 2e-9 / SHORTEST  # m/s or rad/s, of such differences


@SETTINGS
@given(PUNCTUAL, st.integers(0, 999), st.sampled_from([None, 20.0]))
def test_poses(pose_rig: Any, intervals: list[float], seed: int, jerk: float | None) -> None:
    """Their differences over the stamps are speeds, the differences of those accelerations."""
    rig = pose_rig({"limits.linear.jerk": jerk})
    times, velocities = run(rig, [max(seconds, SHORTEST) for seconds in intervals], seed, 6)
    assert_smooth(times, velocities[:, :3], 1.5)
    speeds, apart = differences(times, [command.position for _, command in rig.commands])
    for part, speed, acceleration, tolerance in (
        (slice(0, 3), 0.3, 1.5, 1e-6), (slice(3, 6), 1.0, 5.0, 5e-3),
    ):  # fmt: skip
        lengths = np.linalg.norm(speeds[:, part], axis=1)
        assert lengths.max() <= speed * (1.0 + tolerance) + ROUNDING
        changes = np.linalg.norm(np.diff(speeds[:, part], axis=0), axis=1)
        assert (changes <= acceleration * apart * (1.0 + tolerance) + ROUNDING).all()


@SETTINGS
@given(PUNCTUAL, st.integers(0, 999))
def test_joint_positions(joint_rig: Any, intervals: list[float], seed: int) -> None:
    rig = joint_rig()
    times, _ = run(rig, [max(seconds, SHORTEST) for seconds in intervals], seed, 3)
    speeds, apart = differences(times, [command.position for _, command in rig.commands])
    assert np.abs(speeds).max() <= 0.8 * (1.0 + 1e-6)
    changes = np.abs(np.diff(speeds, axis=0))
    assert (changes <= 3.0 * apart[:, None] * (1.0 + 1e-6) + ROUNDING).all()


@settings(SETTINGS, max_examples=5)
@given(INTERVALS, st.integers(0, 999))
def test_planned_points(joint_rig: Any, intervals: list[float], seed: int) -> None:
    """Of a trajectory: from the command's velocity to the first point, and from point to point."""
    rig = joint_rig({"outputs.forward": None, "outputs.joint_trajectory": {"rate": 50.0}})
    run(rig, intervals, seed, 3)
    planned = [command for _, command in rig.commands if command.preview is not None]
    assert len(planned) > 5
    for command in planned:
        preview = command.preview
        assert preview.times[0] > 0.0 and not preview.velocities[-1].any()
        times = np.append(0.0, preview.times)
        velocities = np.vstack([command.velocity, preview.velocities])
        for axis in range(3):
            assert_smooth(times, velocities[:, axis : axis + 1], 3.0)
        ways = np.diff(np.vstack([command.position, preview.positions]), axis=0)
        means = 0.5 * (velocities[1:] + velocities[:-1]) * np.diff(times)[:, None]
        # Positions are the integral of velocities that change by the acceleration at most.
        assert (np.abs(ways - means) <= 3.0 * np.diff(times)[:, None] ** 2 / 4.0 + 1e-9).all()


def test_a_stamp_is_the_clock_at_the_call(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    rig.send(steps(x=0.02))
    for seconds in (0.01, 0.003, 0.018):
        assert call(rig, seconds).stamp == rig.now


@pytest.mark.parametrize("rate", [50.0, 100.0, 1000.0])
def test_a_punctual_loop_publishes_what_it_always_did(
    twist_rig: Any, steps: Any, rate: float
) -> None:
    """One period per call: full acceleration, and the wanted speed to the last bit."""
    rig = twist_rig({"execution.rate": rate}).enabled()
    rig.send(steps(x=0.02))
    for _ in range(round(0.5 * rate)):
        call(rig, 1.0 / rate)
    speeds = rig.velocities[1:, 0]
    assert np.diff(speeds)[1:4] == pytest.approx(1.5 / rate, rel=1e-6)
    assert speeds[-1] == pytest.approx(0.2, abs=1e-15)
