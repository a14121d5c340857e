# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Robots that do not follow halt, at any speed and with any output; robots that lag do not."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from molmoact_ros.control import Pose, State, rotation
from molmoact_ros.control.pose import moved_on

# Changes to the test robots; those with joints last. Limits of all: see conftest.
OUTPUTS: dict[str, dict[str, Any]] = {
    "twist": {},
    "pose": {"outputs.twist": None, "outputs.pose": {}},
    "joint_jog": {"outputs.forward": None, "outputs.joint_jog": {}},
    "joint_trajectory": {"outputs.forward": None, "outputs.joint_trajectory": {}},
    "forward position": {},
    "forward velocity": {"outputs.forward.interface": "velocity"},
}
LINEAR, ANGULAR, JOINT = (0.3, 1.5, 0.2), (1.0, 5.0, 0.8), (0.8, 3.0, 0.3)  # speed, acc., error


@pytest.fixture
def rig_of(twist_rig: Any, joint_rig: Any) -> Callable[..., Any]:
    """Make a rig for one of the outputs; further arguments: changed keys."""

    def rig_of(output: str, changes: dict[str, Any] | None = None) -> Any:
        make = twist_rig if output in ("twist", "pose") else joint_rig
        return make({"execution.rate": 20.0} | OUTPUTS[output] | (changes or {}))

    return rig_of


def difference(a: Any, b: Any) -> np.ndarray:
    """Return a minus b: m and rotation vector, or per joint."""
    if isinstance(a, Pose):
        return np.append(a.position - b.position, rotation.between(b.orientation, a.orientation))
    return np.asarray(a - b)


class Drive:
    """Drives a rig with chunks in one direction, and answers for its robot."""

    def __init__(self, rig: Any, direction: dict[int, float], noise: float = 0.0) -> None:
        """Send chunks along `direction`: axis to share of its full speed."""
        self.rig = rig.enabled()
        rig.reports = False
        cartesian = rig.profile.action.cartesian
        limits = [LINEAR] * 3 + [ANGULAR] * 3 if cartesian else [JOINT] * 3
        self.speed, self.acceleration, self.error = np.array(limits).T
        self.asked = np.zeros(len(limits))
        self.asked[list(direction)] = list(direction.values())
        self.with_positions = rig.profile.outputs.commands_positions
        self.moves: Callable[[np.ndarray], np.ndarray] = lambda asked: asked * 0.0
        self.beyond = np.zeros(len(limits))  # commanded minus measured, the largest of each axis
        self._noise, self._rng = noise, np.random.default_rng(0)
        self.robot = self._commanded = rig.robot
        self._net = np.zeros(len(limits))

    def seconds(self, seconds: float, turn: float = np.inf) -> Drive:
        """Go on, turning round every `turn` s, until it halts."""
        rig = self.rig
        for tick in range(round(seconds / rig.dt)):
            sign = (-1) ** int(tick * rig.dt / turn + 1e-9)
            if tick % round(0.4 / rig.dt) == 0:
                row = np.zeros(7 if len(self.asked) == 6 else 4)
                row[: len(self.asked)] = sign * self.asked * self.speed * 0.1
                rig.send(np.tile(row, (8, 1)))
            self.tick()
            if rig.executor.state is State.HALTED:
                break
        return self

    def tick(self) -> None:
        """Let one period pass."""
        rig = self.rig
        measured = moved_on(self.robot, self._rng.normal(0.0, self._noise, len(self.asked)))
        rig.executor.observe(measured, rig.now + rig.dt, rig.now + rig.dt)
        before = len(rig.commands)
        rig.tick()
        if len(rig.commands) == before:
            return
        command = rig.commands[-1][1]
        asked = command.velocity * rig.dt
        if self.with_positions:
            asked = difference(command.position, self._commanded)
            self._commanded = command.position
        done = self.moves(asked)
        self.robot = moved_on(self.robot, done)
        self._net += asked - done
        beyond = difference(self._commanded, self.robot) if self.with_positions else self._net
        self.beyond = np.maximum(self.beyond, np.abs(beyond))

    def assert_halted(self, *words: str) -> None:
        """Check that it halted, before it was commanded farther than promised."""
        assert self.rig.executor.state is State.HALTED, self.rig.executor.reason
        assert any(word in self.rig.executor.reason for word in words), self.rig.executor.reason
        assert self.rig.count("halted_following_error") == 1
        ramp = self.speed**2 / (2.0 * self.acceleration) + 2.0 * self.speed * self.rig.dt
        assert (self.beyond <= self.error + ramp + 4.0 * self._noise).all()

    def assert_moving(self) -> None:
        """Check that it did not halt, and goes on."""
        assert self.rig.count("halted") == 0, self.rig.executor.reason
        assert self.rig.executor.state is State.EXECUTING


WORDS = ("max_following_error", "min_following_share")


@pytest.mark.parametrize("share", [0.2, 1.0])
@pytest.mark.parametrize("output", OUTPUTS)
def test_a_robot_that_never_moves_halts(rig_of: Any, output: str, share: float) -> None:
    Drive(rig_of(output), {1: share}).seconds(60.0).assert_halted(*WORDS)


@pytest.mark.long
@pytest.mark.parametrize("share", [0.01, 0.03])
@pytest.mark.parametrize("output", OUTPUTS)
def test_a_robot_that_never_moves_halts_at_very_low_speed_too(
    rig_of: Any, output: str, share: float
) -> None:
    Drive(rig_of(output), {0: share}).seconds(900.0).assert_halted(*WORDS)


@pytest.mark.parametrize("output", ["twist", "pose", "forward velocity"])
def test_noise_is_not_motion(rig_of: Any, output: str) -> None:
    Drive(rig_of(output), {0: 0.3}, noise=0.001).seconds(60.0).assert_halted(*WORDS)


@pytest.mark.parametrize("output", ["twist", "joint_jog", "forward position"])
def test_a_robot_that_stops_following_halts(rig_of: Any, output: str) -> None:
    drive = Drive(rig_of(output), {0: 0.3})
    drive.moves = lambda asked: asked
    drive.seconds(1.0).assert_moving()
    drive.moves = lambda asked: asked * 0.0
    drive.seconds(40.0).assert_halted(*WORDS)


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_robot_that_goes_the_other_way_halts(rig_of: Any, output: str) -> None:
    drive = Drive(rig_of(output), {0: 0.4})
    drive.moves = lambda asked: -0.2 * np.abs(asked)
    drive.seconds(60.0).assert_halted(*WORDS)


@pytest.mark.parametrize("output", ["twist", "pose"])
def test_a_wrist_that_does_not_turn_halts(rig_of: Any, output: str) -> None:
    drive = Drive(rig_of(output), {0: 0.05, 5: 0.3})
    drive.moves = lambda asked: np.append(asked[:3], 0.0 * asked[3:])
    drive.seconds(60.0).assert_halted("orientation")


@pytest.mark.parametrize("output", [name for name in OUTPUTS if name not in ("twist", "pose")])
def test_one_stuck_joint_among_others_is_named(rig_of: Any, output: str) -> None:
    drive = Drive(rig_of(output), {0: 0.1, 1: -0.1, 2: 0.1})
    drive.moves = lambda asked: asked * [1.0, 0.0, 1.0]
    drive.seconds(60.0).assert_halted("joint elbow")


@pytest.mark.parametrize(
    ("output", "share"), [("twist", 0.5), ("forward velocity", 0.35), ("forward position", 0.35)]
)
def test_a_robot_that_stands_still_to_and_fro_halts(rig_of: Any, output: str, share: float) -> None:
    """Never far away from where it is commanded to be, but it never moves."""
    drive = Drive(rig_of(output), {0: share}).seconds(60.0, turn=0.8)
    drive.assert_halted("moved less than 30% (min_following_share)")
    assert (drive.beyond < drive.error).all()


def test_a_robot_that_creeps_halts_and_a_slow_one_does_not(rig_of: Any) -> None:
    creeping = Drive(rig_of("twist"), {1: 0.2})
    creeping.moves = lambda asked: 0.1 * asked
    creeping.seconds(10.0)
    assert creeping.rig.executor.state is State.HALTED
    slow = Drive(rig_of("twist"), {1: 0.2})
    slow.moves = lambda asked: 0.4 * asked
    slow.seconds(15.0, turn=2.0).assert_moving()


def test_the_share_and_the_distance_are_the_profiles(rig_of: Any) -> None:
    keys = {"limits.linear.min_following_share": 0.5, "limits.linear.following_distance": 0.5}
    drive = Drive(rig_of("twist", keys), {1: 0.6})
    drive.moves = lambda asked: asked * 0.1
    drive.seconds(20.0, turn=0.8)
    assert "50% (min_following_share)" in drive.rig.executor.reason
    assert "over 0.5 m (following_distance)" in drive.rig.executor.reason


def pure_delay(seconds: float, dt: float) -> Callable[[np.ndarray], np.ndarray]:
    """Do what was asked some time ago."""
    pending: deque[np.ndarray] = deque()

    def moves(asked: np.ndarray) -> np.ndarray:
        pending.append(asked)
        return pending.popleft() if len(pending) > round(seconds / dt) else asked * 0.0

    return moves


def first_order(seconds: float, dt: float) -> Callable[[np.ndarray], np.ndarray]:
    """Do a share of what is still to be done."""
    left = np.zeros(1)

    def moves(asked: np.ndarray) -> np.ndarray:
        nonlocal left
        left = left + asked
        done = left * min(1.0, dt / seconds)
        left = left - done
        return done

    return moves


@pytest.mark.parametrize("lag", [pure_delay, first_order])
@pytest.mark.parametrize("turn", [0.4, 1.6])
@pytest.mark.parametrize("output", OUTPUTS)
def test_a_robot_that_lags_is_no_fault(
    rig_of: Any, output: str, turn: float, lag: Callable[..., Any]
) -> None:
    """Turned round at full speed, 0.3 s behind, by up to 96 % of the largest following error."""
    tight = {"limits.linear.max_following_error": 0.094, "limits.angular.speed": 2.5}
    if output not in ("twist", "pose"):
        tight = {f"limits.joints.{name}.max_following_error": 0.25
                 for name in ("shoulder", "elbow", "wrist")}  # fmt: skip
    rig = rig_of(output, tight)
    drive = Drive(rig, {0: 0.7, 1: -0.7} if output in ("twist", "pose") else {0: 1.0, 2: -1.0})
    drive.moves = lag(0.3, rig.dt)
    drive.seconds(8.0, turn=turn).assert_moving()
    assert drive.beyond.max() > 0.02


def test_drift_and_gain_do_not_add_up(rig_of: Any) -> None:
    """A pose that drifts by 1 mm/s beside the motion, a robot that is slow one way."""
    drive = Drive(rig_of("twist", {"execution.rate": 10.0}), {0: 0.3})
    drive.moves = lambda asked: (
        np.where(asked < 0.0, 0.6, 1.0) * asked + [0.0, 0.0, 1e-4, 0.0, 0.0, 2e-4]
    )
    drive.seconds(240.0, turn=2.0).assert_moving()


def test_a_drift_at_rest_does_not_add_up_and_a_push_halts(rig_of: Any) -> None:
    drive = Drive(rig_of("twist", {"execution.rate": 10.0}), {})
    drive.moves = lambda asked: np.array([5e-4, 0.0, 0.0, 0.0, 0.0, 0.0])
    for _ in range(600):  # 0.3 m in a minute; 0.2 m are allowed
        drive.tick()
    assert drive.rig.count("halted") == 0
    drive.robot = moved_on(drive.robot, np.array([0.0, 0.25, 0.0, 0.0, 0.0, 0.0]))
    drive.tick()
    drive.tick()
    assert drive.rig.executor.state is State.HALTED


def test_nothing_is_remembered_after_enable(rig_of: Any) -> None:
    drive = Drive(rig_of("twist"), {0: 1.0})
    drive.seconds(0.6)
    drive.rig.executor.disable()
    for _ in range(40):
        drive.tick()
    drive.rig.executor.enable(drive.rig.now)
    drive.seconds(0.6).assert_moving()
