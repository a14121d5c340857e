# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A person takes over from a policy: processes of their own, over DDS."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from geometry_msgs.msg import TwistStamped
from molmoact_ros.msg import ExecutorStatus
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64

from molmoact_ros.control import Refusal, TeleopCommand, load_profile
from molmoact_ros.executor_node.teleop import TeleopInputs, joint_velocities

ROOT = Path(__file__).parents[2]
HALTED, READY = ExecutorStatus.STATE_HALTED, ExecutorStatus.STATE_READY
TELEOP = ExecutorStatus.STATE_TELEOP


def across(robot: Any) -> float:
    """Return the commanded speed across the direction of the policy, m/s."""
    return float(robot.twists[-1][2][1]) if robot.twists else 0.0


def twist(robot: Any, x: float = 0.2, offset: float = 0.0, frame: str = "base_link") -> Any:
    message = TwistStamped()
    message.header.stamp, message.header.frame_id = robot.now(offset), frame
    message.twist.linear.x = x
    return message


def test_a_person_takes_over_and_the_policy_goes_on_after_a_pause(
    robot: Any, measured: Callable[[str, float], None]
) -> None:
    """The person's process is killed in motion; the fixture checks every acceleration."""
    robot.policy(step=0.02)
    robot.until_moving()
    assert not robot.human
    person = robot.person(0.0, 0.25)
    robot.until(lambda: across(robot) > 0.2, "the person's motion")
    robot.until(lambda: robot.status.state == TELEOP, "the state")
    assert robot.status.reason == "a person moves the arm"
    robot.until(lambda: robot.human, "~/human")
    refused = robot.count("refused_teleop")
    robot.until(lambda: robot.count("refused_teleop") > refused, "a chunk's refusal")
    person.kill()
    killed = time.monotonic()
    measured("person killed -> rest", robot.until_rest() - killed)
    robot.until(lambda: not robot.human, "~/human")
    robot.until(lambda: robot.count("stopped_teleop_silent") >= 1, "the count")
    robot.until_moving()
    twists = list(robot.twists)
    ended = max(stamp for _, stamp, velocity in twists if abs(velocity[1]) > 0.01)
    moved = min(stamp for _, stamp, v in twists if stamp > ended and abs(v[0]) > 0.01)
    assert moved - ended > 0.9, "teleop_pause"
    assert abs(across(robot)) < 0.01 and not robot.human


def test_bad_commands_are_refused_each_with_its_own_count(robot: Any, steps: Any) -> None:
    robot.drive(steps(x=0.02))
    unstamped = TwistStamped()
    unstamped.twist.linear.x = 0.1
    large = TwistStamped()
    large.header.frame_id = "f" * 2000
    broken = b"\x00\x01\x00\x00\xff\xff\xff\xff"
    makers: dict[str, Callable[[], Any]] = {
        "not_finite": lambda: twist(robot, x=float("nan")),
        "speed": lambda: twist(robot, x=1e9),
        "frame": lambda: twist(robot, frame="world"),
        "stamp_zero": lambda: unstamped,
        "stamp_old": lambda: twist(robot, offset=-1.0),
        "stamp_future": lambda: twist(robot, offset=60.0),
    }
    accepted = robot.count("teleop_accepted")
    for name, make in makers.items():
        expect_refusal(robot, name, TwistStamped, "teleop", make)
    expect_refusal(robot, "unreadable", TwistStamped, "teleop", lambda: large)
    expect_refusal(robot, "unreadable", TwistStamped, "teleop", lambda: broken)
    gripper = Float64(data=float("inf"))
    expect_refusal(robot, "gripper", Float64, "teleop_gripper", lambda: gripper)
    assert robot.count("teleop_accepted") == accepted and not robot.human


def expect_refusal(robot: Any, name: str, kind: type, topic: str, make: Callable[[], Any]) -> None:
    """Publish until it is counted: best effort may lose a message."""
    before = robot.count(f"teleop_refused_{name}")

    def refused() -> bool:
        robot.publish(kind, topic, make())
        time.sleep(0.05)
        return robot.count(f"teleop_refused_{name}") > before

    robot.until(refused, f"teleop_refused_{name}")


def test_joints_by_name() -> None:
    message = JointState(name=["lift", "gripper", "b"], velocity=[9.0, 1.0, -0.2])
    np.testing.assert_array_equal(joint_velocities(message, ("a", "b")), [0.0, -0.2])


@pytest.mark.parametrize(
    ("message", "counter", "words"),
    [
        (JointState(name=["a"], position=[1.0]), "refused_shape", "positions are not followed"),
        (JointState(name=["a"], velocity=[1.0, 2.0]), "refused_shape", "1 names, 2 velocities"),
        (JointState(name=["x"], velocity=[1.0]), "refused_names", "none of this robot's joints: a"),
        (JointState(), "refused_names", "none of this robot's joints: a"),
    ],
)
def test_joints_that_are_no_command(message: Any, counter: str, words: str) -> None:
    with pytest.raises(Refusal, match=words) as error:
        joint_velocities(message, ("a",))
    assert error.value.counter == counter


def test_a_leaders_joints_arrive(client: Any) -> None:
    """Over DDS; what is no command is refused, and the next one is taken."""
    profile = load_profile(ROOT / "config" / "robots" / "widowx_trajectory.yaml")
    taken: list[Any] = []
    TeleopInputs(
        client.node, profile, taken.append, taken.append, lambda *refusal: taken.append(refusal[0])
    )
    publisher = client.node.create_publisher(JointState, "~/teleop_joints", 10)
    client.wait_for(publisher.get_subscription_count, "the subscription")
    message = JointState(name=list(profile.action.joints[::-1]), velocity=[0.1, 0, 0, 0, 0, 0.2])
    message.header.stamp = client.stamp()
    for number, sent in enumerate((message, JointState(name=["a"], position=[1.0]), message)):
        publisher.publish(sent)
        client.wait_for(lambda number=number: len(taken) > number, "the command")
    first, refused, last = taken
    assert refused == "refused_shape" and isinstance(last, TeleopCommand)
    np.testing.assert_array_equal(first.velocity, [0.2, 0, 0, 0, 0, 0.1])
    assert first.source == last.source and any(first.source)


@pytest.mark.long
def test_two_publishers_stop_the_arm_until_one_of_them_ends(robot: Any) -> None:
    robot.person(0.0, 0.03)  # slowly: the other one needs some seconds to start
    robot.until(lambda: across(robot) > 0.02, "the first one's motion")
    second = robot.person(0.2, 0.0)
    robot.until(lambda: robot.count("stopped_two_teleop") == 1, "the stop")
    assert "two publishers command motion at once" in robot.status.reason
    robot.until_rest()
    before = robot.count("teleop_refused_two_publishers")
    robot.until(lambda: robot.count("teleop_refused_two_publishers") > before + 20, "refusals")
    assert robot.speed == 0.0
    second.kill()
    robot.until(lambda: across(robot) > 0.02, "the first one's motion")


@pytest.mark.long
def test_a_frozen_pose_halts_a_person_and_a_halt_holds(robot: Any) -> None:
    robot.robot_works, before = False, len(robot.twists)
    robot.person(0.0, 0.3)
    robot.until_state(HALTED)
    assert "max_following_error is 0.25" in robot.status.reason
    robot.until_rest()
    robot.until(lambda: not robot.human, "~/human")
    twists = robot.twists[before:]
    stamps, velocities = np.array([t[1] for t in twists]), np.array([t[2] for t in twists])
    seconds = np.minimum(np.diff(stamps), 0.2)
    way = np.linalg.norm((velocities[:-1] * seconds[:, None]).sum(axis=0))
    assert 0.24 < way < 0.25 + 0.3**2 / 3.0 + 0.04
    refused = robot.count("teleop_refused_not_enabled")
    robot.until(lambda: robot.count("teleop_refused_not_enabled") > refused + 5, "refusals")
    assert robot.speed == 0.0 and robot.status.state == HALTED


@pytest.mark.long
@pytest.mark.parametrize(("x", "y"), [(5.0, 0.0), (-5.0, 5.0)])
def test_the_box_is_not_left_at_full_speed(robot: Any, x: float, y: float) -> None:
    box = yaml.safe_load((ROOT / "config/robots/tabletop.yaml").read_text())["limits"]["workspace"]
    robot.person(x, y)
    robot.until(lambda: robot.speed > 0.29, "full speed")
    places: list[np.ndarray] = []
    end = time.monotonic() + 6.0
    while time.monotonic() < end:
        places.append(robot.arm.at(robot.twists[-1][1]))
        time.sleep(0.005)
    low, high = np.array(box["min"]), np.array(box["max"])
    # The arm follows by DDS: a few milliseconds late, and by up to 0.1 s where a twist gets lost.
    assert (np.array(places) > low - 0.01).all() and (np.array(places) < high + 0.01).all()
    nearest = min(np.abs(places[-1] - low).min(), np.abs(places[-1] - high).min())
    assert nearest < 0.02, "the wall was reached"
    assert robot.status.state == TELEOP and robot.count("halted_internal") == 0


@pytest.mark.long
def test_a_flood_does_not_disturb_the_loop(robot: Any) -> None:
    robot.person(0.0, 0.02, 1000.0)
    robot.until(lambda: robot.count("teleop_overtaken") > 2000, "the flood")
    assert robot.status.loop_rate > 95.0
    called = time.monotonic()
    robot.call("halt")
    assert robot.until_rest() - called < 2.0 and robot.status.state == HALTED


@pytest.mark.long
@pytest.mark.parametrize("rate", [20.0, 100.0])
def test_hand_overs_without_a_pause(new_lab: Any, rate: float) -> None:
    """The fixture checks the acceleration between any two commands of policy and person."""
    lab = new_lab(teleop_pause=0.0)
    lab.prepare()
    lab.policy(step=0.025, period=0.15)
    for turn in range(8):
        lab.until(lambda: lab.status.state == ExecutorStatus.STATE_EXECUTING, "the policy")
        lab.until_moving()
        person = lab.person(0.0, 0.3 * (-1) ** turn, rate)
        lab.until(lambda: abs(across(lab)) > 0.1, "the person")
        person.kill()
    assert lab.count("halted_internal") == 0
