# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Everything that can be wrong with what the executor gets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from molmoact_ros.control import Pose, State
from molmoact_ros.control.motion import Clamps
from molmoact_ros.control.movers import EndEffector
from molmoact_ros.control.plan import Setpoint

ROWS = {"x": 0.02}
GOOD_NAMES = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")


def with_value(rows: np.ndarray, value: float) -> np.ndarray:
    rows[3, 1] = value
    return rows


@pytest.mark.parametrize(
    ("counter", "words", "values", "changes"),
    [
        ("refused_not_finite", "y of row 3 is nan", lambda s: with_value(s(), np.nan), {}),
        ("refused_not_finite", "y of row 3 is inf", lambda s: with_value(s(), np.inf), {}),
        ("refused_step_size", "more than 1000", lambda s: with_value(s(), 1e9), {}),
        ("refused_step_size", "more than 1000", lambda s: with_value(s(), 1e300), {}),
        ("refused_step_size", "row 3 is 0.2, max_step is 0.1", lambda s: with_value(s(), 0.2), {}),
        ("refused_step_size", "rotation of row 0", lambda s: s(roll=0.6), {}),
        ("refused_shape", "6 columns but 7 names", lambda s: s()[:, :6], {}),
        ("refused_names", "expected [x y z", lambda s: s()[:, :6], {"names": GOOD_NAMES[:6]}),
        ("refused_names", "7 columns [a", lambda s: s(), {"names": ("a", *GOOD_NAMES[1:])}),
        ("refused_names", "7 columns [y y", lambda s: s(), {"names": ("y", *GOOD_NAMES[1:])}),
        ("refused_action_space", "'joint_delta'", lambda s: s(), {"action_space": "joint_delta"}),
        ("refused_shape", "(0, 7)", lambda s: s(0), {}),
        ("refused_shape", "(7,)", lambda s: s()[0], {}),
        ("refused_horizon", "10000 rows, max_horizon is 64", lambda s: s(10_000), {}),
        ("refused_shape", "step_period is 0", lambda s: s(), {"step_period": 0.0}),
        ("refused_shape", "step_period is nan", lambda s: s(), {"step_period": np.nan}),
        ("refused_shape", "below 1 / rate", lambda s: s(), {"step_period": 0.001}),
        ("refused_step_period", "is 5 s, max_step_period", lambda s: s(), {"step_period": 5.0}),
        ("refused_step_period", "is 1e+09 s", lambda s: s(1), {"step_period": 1e9}),
        ("refused_frame", "'world', this robot takes 'base", lambda s: s(), {"frame": "world"}),
        ("refused_gripper", "gripper goes to 1e+308", lambda s: s(gripper=1e308), {}),
        ("refused_gripper", "gripper goes to -1e+308", lambda s: s(gripper=-1e308), {}),
        ("refused_gripper", "gripper goes to 100", lambda s: s(gripper=100.0), {}),
        ("refused_confidence", "is inf, must be 0..1", lambda s: s(), {"confidence": np.inf}),
        ("refused_confidence", "is -1e+308", lambda s: s(), {"confidence": -1e308}),
        ("refused_confidence", "is 1.01", lambda s: s(), {"confidence": 1.01}),
        ("refused_invalid", "marked it as invalid", lambda s: s(), {"valid": False}),
        ("refused_stamp_zero", "zero", lambda s: s(), {"stamp": 0.0}),
        ("refused_stamp_old", "10 s old, max_chunk_age is 5", lambda s: s(), {"stamp": 90.01}),
        ("refused_stamp_future", "same clock", lambda s: s(), {"stamp": 101.0}),
    ],
)
def test_bad_chunk_is_refused_and_never_moves_the_arm(
    twist_rig: Any, steps: Any, counter: str, words: str, values: Any, changes: dict[str, Any]
) -> None:
    rig = twist_rig().enabled()
    refusal = rig.send(values(steps), **changes)
    rig.tick(20)
    assert refusal is not None and words in refusal and refusal.startswith("chunk 1 refused")
    assert rig.count(counter) == 1 and rig.count("accepted") == 0
    assert not rig.velocities.any() and rig.executor.state is State.READY


@pytest.mark.parametrize(
    "changes",
    [
        {"names": tuple(f"{i}" * 1000 for i in range(7))},
        {"names": ("x",) * 10_000, "values": np.zeros((1, 10_000))},
        {"names": ("x" * 100_000,) * 7, "values": np.full((1, 7), np.nan)},
        {"action_space": "x" * 100_000},
    ],
)
def test_long_names_are_not_repeated_in_full(
    twist_rig: Any, steps: Any, changes: dict[str, Any]
) -> None:
    values = changes.pop("values", steps())
    refusal = twist_rig().enabled().send(values, **changes)
    assert refusal is not None and len(refusal) < 1000


@pytest.mark.parametrize("bad", [{"values": np.full((8, 7), np.nan)}, {"stamp": 0.0}])
def test_bad_chunk_does_not_disturb_the_good_one_before(
    twist_rig: Any, steps: Any, bad: Any
) -> None:
    rig = twist_rig().enabled()
    rig.send(steps(**ROWS))
    rig.seconds(0.4)
    assert rig.send(steps(), **bad) is not None
    rig.seconds(0.3)
    assert rig.velocities[-1][0] == pytest.approx(0.2)


def test_fault_of_the_robots_side_stops_and_refuses_while_it_lasts(
    twist_rig: Any, steps: Any
) -> None:
    rig = twist_rig().enabled()
    rig.send(steps(**ROWS))
    rig.seconds(0.4)
    rig.executor.fault = "Servo: collision"
    rig.seconds(0.4)
    assert rig.executor.state is State.READY and not rig.velocities[-1].any()
    assert rig.executor.reason == "at rest: Servo: collision" and rig.count("stopped_fault") == 1
    assert "Servo: collision" in rig.send(steps(**ROWS)) and rig.count("refused_unhealthy") == 1
    rig.executor.fault = None
    assert rig.send(steps(**ROWS)) is None
    rig.seconds(0.4)
    assert rig.velocities[-1][0] == pytest.approx(0.2)


def test_fault_of_the_robots_side_does_not_keep_motion_from_being_enabled(twist_rig: Any) -> None:
    """Servo repeats its last status until there are commands, which follow from enabling only."""
    rig = twist_rig()
    rig.executor.fault = "Servo: close to a singularity"
    assert rig.enabled().executor.state is State.READY


def test_columns_may_come_in_another_order(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    assert rig.send(steps(x=0.02)[:, ::-1], names=GOOD_NAMES[::-1]) is None
    rig.seconds(0.3)
    np.testing.assert_allclose(rig.velocities[-1], [0.2, 0, 0, 0, 0, 0], atol=1e-12)


def test_invalid_chunks_run_only_where_permitted(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig({"execution.execute_invalid": True}).enabled()
    assert rig.send(steps(**ROWS), valid=False) is None


def test_a_chunk_that_lasts_too_long_is_refused(twist_rig: Any, steps: Any) -> None:
    """What an arm would still do after its policy has died."""
    rig = twist_rig({"execution.max_duration": 5.0}).enabled()
    assert "its rows last 5.6 s, max_duration is 5" in rig.send(steps(), step_period=0.7)
    assert rig.count("refused_duration") == 1
    assert rig.send(steps(30, **ROWS), step_period=0.6) is None, "8 of its rows are executed"


@pytest.mark.parametrize("period", [0.05, 3.0])
def test_the_profiles_period_takes_the_place_of_a_sane_one_of_the_chunk(
    twist_rig: Any, steps: Any, period: float
) -> None:
    rig = twist_rig({"execution.control_period": 0.2}).enabled()
    assert (rig.send(steps(**ROWS), step_period=period) is None) is (period < 1.0)


def test_the_frame_of_a_chunk_may_be_left_out(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    assert rig.send(steps(**ROWS), frame="") is None
    assert rig.send(steps(**ROWS), frame="base_link") is None


def test_actions_in_the_tool_frame_name_the_tool_frame(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig({"action.frame": "tool", "action.tool_frame": "hand_tcp"}).enabled()
    assert "this robot takes 'hand_tcp'" in rig.send(steps(**ROWS), frame="base_link")
    assert rig.send(steps(**ROWS), frame="hand_tcp") is None
    unnamed = twist_rig({"action.frame": "tool"}).enabled()
    assert "action.tool_frame is empty" in unnamed.send(steps(**ROWS), frame="base_link")
    assert unnamed.send(steps(**ROWS)) is None


def test_scale_and_confidence_change_from_the_next_chunk_on(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    rig.send(steps(x=0.02), confidence=0.3)
    rig.seconds(0.3)
    changes = {"action.scale": 0.5, "execution.min_confidence": 0.5}
    rig.executor.adopt(twist_rig(changes).profile)
    rig.seconds(0.2)
    assert rig.velocities[-1][0] == pytest.approx(0.2), "the chunk before goes on as it was"
    assert "min_confidence is 0.5" in rig.send(steps(x=0.02), confidence=0.3)
    assert rig.send(steps(x=0.02), confidence=0.7) is None
    rig.seconds(0.3)
    assert rig.velocities[-1][0] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("confidence", "accepted"), [(0.9, True), (0.2, False), (None, False), (np.nan, False)]
)
def test_min_confidence(twist_rig: Any, steps: Any, confidence: Any, accepted: Any) -> None:
    rig = twist_rig({"execution.min_confidence": 0.5}).enabled()
    assert (rig.send(steps(**ROWS), confidence=confidence) is None) is accepted
    assert rig.count("refused_confidence") == (not accepted)


def test_stale_state_stops_the_motion_and_it_recovers(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    rig.send(steps(**ROWS))
    rig.seconds(0.3)
    rig.reports = False
    rig.seconds(0.25)
    assert rig.executor.state is State.STOPPING and "ee_pose is" in rig.executor.reason
    rig.seconds(0.3)
    assert rig.executor.state is State.READY and not rig.velocities[-1].any()
    assert "old" in rig.send(steps(**ROWS)), "no chunk is executed on what is not known"
    rig.reports = True
    rig.tick()
    assert rig.send(steps(**ROWS)) is None
    rig.seconds(0.3)
    assert rig.velocities[-1][0] == pytest.approx(0.2)


def test_nan_state_is_dropped_and_ages(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    rig.send(steps(**ROWS))
    rig.seconds(0.2)
    rig.robot = Pose(np.array([np.nan, 0.0, 0.3]), rig.robot.orientation)
    rig.seconds(0.6)
    assert rig.executor.state is State.READY and rig.count("stopped_state") == 1
    assert rig.count("state_not_finite") >= 50 and np.isfinite(rig.velocities).all()


@pytest.mark.parametrize("orientation", [[0, 0, 0, 0], [np.inf, 0, 0, 1]])
def test_impossible_orientation_is_dropped(twist_rig: Any, orientation: Any) -> None:
    rig = twist_rig()
    pose = Pose(np.array([0.5, 0.0, 0.3]), np.array(orientation, dtype=float))
    rig.executor.observe(pose, rig.now, rig.now)
    assert rig.count("state_not_finite") == 1 and not rig.executor.enable(rig.now).success


def test_state_of_the_future_is_dropped(twist_rig: Any) -> None:
    rig = twist_rig()
    rig.executor.observe(rig.robot, rig.now + 3.0, rig.now)
    outcome = rig.executor.enable(rig.now)
    assert not outcome.success and "3 s in the future" in outcome.message
    assert rig.count("state_future") == 1


def test_chunk_without_a_known_state_at_its_stamp_is_refused(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    assert "state at its stamp is not known" in rig.send(steps(**ROWS), stamp=rig.now - 2.0)
    assert rig.count("refused_no_state") == 1


def test_robot_that_does_not_move_halts_the_twists(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    stuck = rig.robot
    for _ in range(20):
        rig.robot = stuck
        rig.send(steps(y=0.03))
        for _ in range(10):
            rig.robot = stuck
            rig.tick()
    assert rig.executor.state is State.HALTED and "position is 0.2" in rig.executor.reason
    assert rig.count("halted_following_error") == 1 and not rig.velocities[-1].any()


def test_lagging_robot_is_no_fault(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    rig.reports = False
    past = [rig.robot] * 20  # 0.2 s behind
    for i in range(800):
        past.append(rig.robot)
        rig.executor.observe(past[-20], rig.now, rig.now)
        if i % 80 == 0:
            rig.send(steps(y=0.03 * (-1) ** (i // 80)))
        rig.tick()
    assert rig.count("halted") == 0 and rig.count("accepted") == 10


def test_robot_far_from_the_commanded_pose_halts(pose_rig: Any, steps: Any) -> None:
    rig = pose_rig().enabled()
    rig.send(steps(y=0.02))
    rig.seconds(0.3)
    rig.robot = Pose(rig.robot.position + [0.0, -0.3, 0.0], rig.robot.orientation)
    rig.executor.observe(rig.robot, rig.now + 0.001, rig.now + 0.001)
    rig.reports = False
    rig.seconds(0.5)
    assert rig.executor.state is State.HALTED and "max_following_error" in rig.executor.reason


def test_joint_far_from_the_commanded_one_is_named(joint_rig: Any) -> None:
    rig = joint_rig().enabled()
    rig.robot = np.array([0.0, 0.5, 0.0])
    rig.executor.observe(rig.robot, rig.now + 0.001, rig.now + 0.001)
    rig.reports = False
    rig.tick(3)
    assert rig.executor.state is State.HALTED and "joint elbow" in rig.executor.reason


def test_clock_that_stands_still_stops_the_motion(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    rig.send(steps(**ROWS))
    rig.seconds(0.4)
    frozen = rig.now
    commands = [rig.executor.step(frozen) for _ in range(60)]
    speeds = [c.velocity[0] for c in commands if c is not None]
    assert speeds[:18] == [pytest.approx(0.2)] * 18, "nothing moves on before the timeout"
    assert speeds[-1] == 0.0 and np.abs(np.diff(speeds)).max() <= 0.015 + 1e-9
    assert rig.executor.state is State.READY and "stands still" in rig.executor.reason
    assert "stands still" in rig.executor.submit(rig.chunk(steps(**ROWS)), frozen)
    rig.tick(2)
    assert rig.send(steps(**ROWS)) is None


def test_clock_that_jumps_back_stops_the_motion_and_starts_anew(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    rig.send(steps(**ROWS))
    rig.seconds(0.4)
    rig.now = 3.0  # the simulator was reset
    rig.tick()
    assert rig.executor.state is State.STOPPING and "jumped back" in rig.executor.reason
    rig.seconds(0.3)
    rig.sequence = 0  # the policy too
    assert rig.send(steps(**ROWS)) is None
    rig.seconds(0.3)
    assert rig.velocities[-1][0] == pytest.approx(0.2)
    assert np.abs(np.diff(rig.velocities[:, 0])).max() <= 0.015 + 1e-9


def test_two_policies_at_once_stop_the_motion(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    for i in range(8):
        rig.send(steps(x=0.02), sequence=100 + i)
        rig.tick(5)
        rig.send(steps(x=-0.02), sequence=3 + i)
        rig.tick(5)
    assert rig.count("refused_two_policies") >= 5 and rig.count("stopped_two_policies") == 1
    assert rig.executor.state is State.READY and not rig.velocities[-1].any()
    rig.seconds(1.2)
    assert rig.send(steps(x=0.02), sequence=200) is None, "one of them alone is followed again"


def test_internal_error_puts_the_arm_to_rest(
    twist_rig: Any, steps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = twist_rig().enabled()
    rig.send(steps(**ROWS))
    rig.seconds(0.3)

    def broken(self: EndEffector, setpoint: Setpoint) -> Clamps:
        self.velocity = np.full(6, np.nan)
        return Clamps()

    monkeypatch.setattr(EndEffector, "step", broken)
    rig.tick(3)
    assert rig.executor.state is State.HALTED and "internal error" in rig.executor.reason
    assert np.isfinite(rig.velocities).all() and not rig.velocities[-1].any()
