# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A person takes over: what is followed, for how long, and what the policy may do after it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from molmoact_ros.control import Executor, Pose, State, TeleopCommand, TeleopSettings

from .conftest import Person, X, human

REST = (0.0,) * 6


def largest_change(rig: Any, part: slice = slice(0, 3)) -> float:
    """Return the largest change between two commands, as a share of what 1 / rate s allow."""
    velocities = rig.velocities[:, part]
    changes = np.linalg.norm(np.diff(velocities, axis=0), axis=1)
    return float(changes.max()) / (rig.profile.limits.linear.acceleration * rig.dt)


def test_takes_over_from_a_moving_chunk_without_a_jump(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    rig.send(steps(y=0.03))
    rig.seconds(0.4)
    assert not human(rig)
    person = Person(rig)
    assert person.push((-0.2, 0.0, 0.0, 0.0, 0.0, 0.5)) is None
    assert rig.executor.state is State.TELEOP and human(rig)
    rig.tick()
    assert rig.velocities[-1][1] < 0.3, "at once"
    person.hold((-0.2, 0.0, 0.0, 0.0, 0.0, 0.5))
    np.testing.assert_allclose(rig.velocities[-1], [-0.2, 0, 0, 0, 0, 0.5], atol=1e-9)
    assert 0.99 < largest_change(rig) <= 1.0 + 1e-9
    assert rig.count("halted_internal") == 0


def test_the_policy_gets_the_arm_back_after_a_pause(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    Person(rig).hold()
    during = rig.chunk(steps(x=0.02))
    assert "a person moves the arm" in rig.executor.submit(during, rig.now)
    rig.seconds(0.2)
    assert rig.executor.state is State.STOPPING and human(rig), "its motion comes to rest"
    rig.seconds(0.2)
    assert rig.executor.state is State.READY and not human(rig)
    early = rig.chunk(steps(x=0.02))
    rig.seconds(1.0)
    refusal = rig.executor.submit(early, rig.now)
    assert "before teleop_pause = 1 s after a person moved the arm" in refusal
    assert rig.count("refused_teleop") == 2
    assert rig.send(steps(x=0.02)) is None
    rig.seconds(0.3)
    assert rig.executor.state is State.EXECUTING and not human(rig)
    assert largest_change(rig) <= 1.0 + 1e-9


def test_a_publisher_that_dies_in_motion(twist_rig: Any) -> None:
    rig = twist_rig().enabled()
    Person(rig).hold()
    last = rig.now - 0.02
    rig.seconds(1.0)
    moving = [t for t, c in rig.commands if c.velocity.any()]
    # 0.2 s without a command, and the ramp from 0.2 m/s at 1.5 m/s^2.
    assert 0.32 < moving[-1] - last < 0.37
    assert rig.count("stopped_teleop_silent") == 1
    assert "no command of a person for 0.2 s (teleop_timeout)" in rig.executor.reason


@pytest.mark.parametrize(
    ("counter", "words", "changes"),
    [
        ("shape", "(3,) velocities, expected 6", {"velocity": np.ones(3)}),
        ("not_finite", "not finite", {"velocity": np.full(6, np.nan)}),
        ("not_finite", "not finite", {"velocity": np.array([0.1, np.inf, 0, 0, 0, 0])}),
        ("speed", "more than 100 m/s", {"velocity": np.full(6, -1e9)}),
        ("speed", "more than 100 m/s", {"velocity": np.full(6, 1e300)}),
        ("frame", "'world', this robot takes 'base_link'", {"frame": "world"}),
        ("stamp_zero", "zero", {"stamp": 0.0}),
        ("stamp_old", "0.3 s old, teleop_timeout is 0.2", {"ago": 0.3}),
        ("stamp_future", "0.2 s in the future", {"ago": -0.2}),
    ],
)
def test_a_bad_command_is_refused_and_the_chunk_goes_on(
    twist_rig: Any, steps: Any, counter: str, words: str, changes: dict[str, Any]
) -> None:
    rig = twist_rig().enabled()
    rig.send(steps(x=0.02))
    rig.seconds(0.2)
    if "ago" in changes:
        changes = {"stamp": rig.now - changes["ago"]}
    refusal = Person(rig).push(**changes)
    assert refusal is not None and words in refusal
    assert rig.count(f"teleop_refused_{counter}") == 1
    rig.tick()
    assert rig.executor.state is State.EXECUTING and not human(rig)


def test_commands_out_of_order(twist_rig: Any) -> None:
    rig = twist_rig().enabled()
    person = Person(rig)
    person.hold()
    late = rig.now - 0.1
    assert "older than that of the command before" in str(person.push(REST, stamp=late))
    assert rig.count("teleop_refused_order") == 1


def test_motion_has_to_be_enabled(twist_rig: Any) -> None:
    rig = twist_rig()
    rig.tick(3)
    assert "not enabled" in str(Person(rig).push())
    rig.seconds(0.5)
    assert rig.commands == [] and rig.count("teleop_refused_not_enabled") == 1


@pytest.mark.parametrize("request_name", ["halt", "disable"])
def test_a_halt_stops_a_person_too(twist_rig: Any, request_name: str) -> None:
    rig = twist_rig().enabled()
    person = Person(rig)
    person.hold()
    getattr(rig.executor, request_name)("button")
    for _ in range(50):
        assert "not enabled" in str(person.push())
        rig.tick()
    assert rig.executor.state in (State.HALTED, State.DISABLED) and not human(rig)
    assert rig.commands[-1][1].final and largest_change(rig) <= 1.0 + 1e-9


def test_zeros_brake_but_do_not_take_over(twist_rig: Any, steps: Any) -> None:
    """A joystick that nobody touches publishes them all the time."""
    rig = twist_rig().enabled()
    person = Person(rig)
    rig.send(steps(x=0.02))
    person.hold(REST, 0.3)
    assert rig.executor.state is State.EXECUTING
    person.hold(X, 0.3)
    person.hold(REST, 0.16)
    assert rig.executor.state is State.TELEOP and not rig.velocities[-1].any()
    person.hold(REST, 0.1)
    assert rig.executor.state is State.READY and rig.executor.reason == "at rest: the person let go"
    assert rig.count("stopped_teleop_released") == 1 and rig.count("stopped_teleop_silent") == 0
    person.hold(REST, 1.1)
    assert rig.send(steps(x=0.02)) is None


def test_a_device_that_trembles_does_not_take_over(twist_rig: Any, steps: Any) -> None:
    """Nor does it keep the arm: 2 % of the speed limits are its dead zone."""
    rig = twist_rig().enabled()
    person, tremble = Person(rig), (0.005, -0.005, 0.0, 0.015, 0.0, -0.015)
    rig.send(steps(x=0.02))
    person.hold(tremble, 0.3)
    assert rig.executor.state is State.EXECUTING
    person.hold((0.007, 0.0, 0.0, 0.0, 0.0, 0.0), 0.4)
    assert rig.velocities[-1][0] == pytest.approx(0.007), "slow, but meant"
    person.hold(tremble, 0.3)
    assert rig.executor.state is State.READY and not rig.velocities[-1].any()


def test_another_device_that_nobody_touches_changes_nothing(twist_rig: Any) -> None:
    rig = twist_rig().enabled()
    person, idle = Person(rig), Person(rig, b"space mouse")
    for _ in range(30):
        assert person.push() is None and idle.push(REST) is None
        rig.tick(2)
    assert rig.velocities[-1][0] == pytest.approx(0.2)


def test_two_publishers_at_once_stop_until_one_of_them_ends(twist_rig: Any) -> None:
    rig = twist_rig().enabled()
    first, second = Person(rig), Person(rig, b"leader")
    first.hold()
    assert "two publishers command motion at once" in str(second.push((0.0, 0.2, 0, 0, 0, 0)))
    assert rig.executor.state is State.STOPPING
    for _ in range(20):
        assert first.push() is not None and second.push((0.0, 0.2, 0, 0, 0, 0)) is not None
        rig.tick(2)
    assert rig.executor.state is State.READY and rig.count("stopped_two_teleop") == 1
    for _ in range(12):
        first.push()
        rig.tick(2)
    first.hold()
    assert rig.velocities[-1][0] == pytest.approx(0.2) and largest_change(rig) <= 1.0 + 1e-9


def test_the_policy_does_not_go_on_while_two_publishers_are_refused(
    twist_rig: Any, steps: Any
) -> None:
    rig = twist_rig().enabled()
    first, second = Person(rig), Person(rig, b"leader")
    first.push()
    for _ in range(100):  # 2 s: longer than the ramp and teleop_pause
        second.push((0.0, 0.2, 0, 0, 0, 0))
        first.push()
        rig.tick(2)
    assert rig.executor.state is State.READY
    assert "after a person moved the arm" in rig.send(steps(x=0.02))
    rig.seconds(0.9)
    early = rig.chunk(steps(x=0.02))
    rig.seconds(0.2)
    assert "after a person moved the arm" in rig.executor.submit(early, rig.now)
    assert rig.send(steps(x=0.02)) is None


def test_a_flood_is_followed_once_per_period(twist_rig: Any) -> None:
    """At 1 kHz the newest command counts; the others are counted."""
    rig = twist_rig().enabled()
    person = Person(rig)
    for i in range(500):
        assert person.push((0.2, 0.001 * (i % 10), 0, 0, 0, 0)) is None
        if i % 10 == 9:
            rig.tick()
    assert rig.velocities[-1][1] == pytest.approx(0.009)
    assert rig.count("teleop_accepted") == 500 and rig.count("teleop_overtaken") == 450


@pytest.mark.parametrize("output", ["twist", "pose"])
def test_the_box_is_not_left(twist_rig: Any, pose_rig: Any, output: str) -> None:
    rig = {"twist": twist_rig, "pose": pose_rig}[output]().enabled()
    for direction in ((9.0, 5.0, 0), (9.0, -9.0, 0.3), (-9.0, 0, -9.0)):
        Person(rig).hold((*direction, 2.0, -1.0, 0.5), 4.0)
    places = np.array([command.position.position for _, command in rig.commands])
    low, high = (np.array(side) for side in ((0.2, -0.5, 0.0), (0.8, 0.5, 0.6)))
    assert (places >= low - 1e-6).all() and (places <= high + 1e-6).all()
    assert rig.robot.position[0] == pytest.approx(0.2, abs=1e-3), "the wall was reached"
    assert np.linalg.norm(rig.velocities[:, :3], axis=1).max() == pytest.approx(0.3)
    assert largest_change(rig) <= 1.0 + 1e-9 and rig.count("halted_internal") == 0


def test_joints_stay_in_their_range(joint_rig: Any) -> None:
    rig = joint_rig().enabled()
    Person(rig).hold((5.0, -5.0, 0.1), 3.0)
    np.testing.assert_allclose(rig.robot[:2], [0.9, -0.9], atol=1e-3)
    positions = np.array([command.position for _, command in rig.commands])
    assert np.abs(positions).max() <= 0.9 + 1e-9
    assert np.abs(np.diff(rig.velocities, axis=0)).max() <= 3.0 * rig.dt + 1e-9


def test_the_jerk_is_limited_as_that_of_chunks(pose_rig: Any, steps: Any) -> None:
    rig = pose_rig({"limits.linear.jerk": 20.0}).enabled()
    rig.send(steps(y=0.02))
    rig.seconds(0.4)
    Person(rig).hold((0.3, 0.0, 0.0, 0, 0, 0), 0.3)
    Person(rig).hold((-0.3, 0.0, 0.0, 0, 0, 0), 0.3)
    rig.seconds(1.0)
    jerk = np.diff(rig.velocities[:, :3], n=2, axis=0) / rig.dt**2
    assert np.linalg.norm(jerk, axis=1).max() <= 20.0 * (1 + 1e-6)


def test_axes_that_the_action_does_not_use_stay(twist_rig: Any) -> None:
    """They have no limits."""
    columns = ["x", "y", "z", "gripper"]
    changes = {"action.columns": columns, "limits.angular": None, "limits.orientation": None}
    rig = twist_rig(changes).enabled()
    Person(rig).hold((0.1, 0.0, 0.0, 1.0, 1.0, 1.0))
    np.testing.assert_allclose(rig.velocities[-1], [0.1, 0, 0, 0, 0, 0], atol=1e-12)
    assert rig.count("halted_internal") == 0


def test_a_robot_that_does_not_follow_a_person_halts(twist_rig: Any) -> None:
    rig = twist_rig().enabled()
    start, person, way = rig.robot, Person(rig), 0.0
    for _ in range(300):
        person.push()
        rig.robot = start
        rig.tick()
        way += rig.velocities[-1][0] * rig.dt
    assert rig.executor.state is State.HALTED and "max_following_error" in rig.executor.reason
    assert rig.count("halted_following_error") == 1
    assert 0.19 < way < 0.2 + 0.2**2 / 3.0 + 0.01


def test_a_stale_state_stops_a_person(twist_rig: Any) -> None:
    rig = twist_rig().enabled()
    person = Person(rig)
    person.hold()
    rig.reports = False
    for _ in range(60):
        person.push()
        rig.tick()
    assert rig.executor.state is State.READY and "ee_pose is" in rig.executor.reason
    assert rig.count("stopped_state") == 1 and rig.count("teleop_refused_unhealthy") > 10


def test_the_clock_stands_still_or_jumps_back(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    person = Person(rig)
    person.hold()
    for _ in range(60):
        rig.executor.step(rig.now)
    assert rig.count("stopped_clock") == 1 and rig.executor.state is State.READY
    rig.seconds(0.1)
    person.hold()
    rig.now -= 50.0
    rig.tick()
    assert rig.executor.state is State.STOPPING and "jumped back" in rig.executor.reason
    rig.seconds(0.5)
    person.hold()
    assert rig.velocities[-1][0] == pytest.approx(0.2), "stamps of before do not count"


def test_a_person_needs_no_approval_and_drops_what_waits(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig({"execution.require_approval": True}).enabled()
    rig.send(steps(x=0.02))
    Person(rig).hold((0.0, 0.1, 0, 0, 0, 0))
    assert rig.velocities[-1][1] == pytest.approx(0.1)
    assert not rig.executor.approve(rig.now).success
    rig.seconds(0.5)
    rig.send(steps(x=0.02))
    assert not rig.executor.status(rig.now).awaiting_approval and rig.count("refused_teleop") == 1


def test_another_timeout(profiles: Any, steps: Any) -> None:
    executor = Executor(profiles["twist"](), TeleopSettings(timeout=0.5, pause=0.0))
    pose = Pose(np.array([0.5, 0.0, 0.3]), np.array([0.0, 0.5**0.5, 0.0, 0.5**0.5]))
    executor.observe(pose, 1.0, 1.0)
    executor.step(1.0)
    executor.enable(1.0)
    assert executor.drive(TeleopCommand(np.array(X), 0.6), 1.0) is None
    executor.observe(pose, 1.09, 1.09)
    executor.step(1.09)
    assert executor.state is State.TELEOP
    executor.step(1.11)
    assert executor.state is State.STOPPING


def test_trajectories_follow_a_person_and_end_at_rest(joint_rig: Any) -> None:
    trajectory = {"horizon": 1.0, "rate": 1.0}
    rig = joint_rig({"outputs.forward": None, "outputs.joint_trajectory": trajectory}).enabled()
    person = Person(rig)
    person.hold((0.4, 0.0, 0.0))
    last = rig.commands[-1][1]
    person.push((-0.4, 0.0, 0.0))
    rig.tick()
    command = rig.commands[-1][1]
    preview = command.preview
    assert preview is not None, "each new command has a trajectory of its own"
    assert not preview.velocities[-1].any()
    # Without another command it ends after teleop_timeout and the ramps.
    moving = preview.times[preview.velocities.any(axis=1)]
    assert 0.15 < moving[-1] < 0.3
    step = preview.positions[0] - last.position
    assert np.abs(step).max() < 0.4 * (preview.times[0] + rig.dt) + 1e-9
