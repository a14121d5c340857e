# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The executor's states, timing and splicing, step by step on a made-up clock."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from molmoact_ros.control import Pose, State


def x_speeds(rig: Any) -> np.ndarray:
    return rig.velocities[:, 0]


def test_is_silent_until_enabled_and_then_commands_rest(twist_rig: Any) -> None:
    rig = twist_rig()
    rig.tick(5)
    assert rig.commands == [] and rig.executor.state is State.DISABLED
    rig.enabled().tick(3)
    assert rig.executor.state is State.READY
    assert len(rig.commands) == 3 and not rig.velocities.any()


def test_enable_is_refused_with_the_reason(twist_rig: Any) -> None:
    rig = twist_rig()
    rig.reports = False
    rig.tick()
    outcome = rig.executor.enable(rig.now)
    assert not outcome.success and "nothing came on ee_pose" in outcome.message
    rig.executor.observe(rig.robot, rig.now, rig.now)
    rig.tick(30)
    outcome = rig.executor.enable(rig.now)
    assert not outcome.success and "0.3 s old, state_timeout is 0.2" in outcome.message


def test_a_row_becomes_its_velocity(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    assert rig.send(steps(x=0.02, yaw=0.05)) is None
    rig.seconds(0.5)
    np.testing.assert_allclose(rig.velocities[-1], [0.2, 0, 0, 0, 0, 0.5], atol=1e-9)
    assert rig.executor.state is State.EXECUTING


def test_ramps_down_at_the_end_within_the_limit(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    sent = rig.now
    rig.send(steps(x=0.02))
    rig.seconds(1.2)
    moving = [t for t, c in rig.commands if c.velocity.any()]
    # 0.2 m/s at 1.5 m/s^2 take 0.134 s after the last step's end at 0.8 s.
    assert 0.8 + 0.12 <= moving[-1] - sent <= 0.8 + 0.15
    assert rig.executor.state is State.READY
    assert "chunk 1 is done and no newer one came" in rig.executor.reason
    assert np.abs(np.diff(x_speeds(rig))).max() <= 1.5 * rig.dt + 1e-9


def test_whole_displacement_of_a_chunk_arrives(twist_rig: Any, steps: Any) -> None:
    """What the acceleration limit takes away at the start, it gives back at the end."""
    rig = twist_rig().enabled()
    rig.send(steps(x=0.02))
    rig.seconds(1.5)
    assert rig.robot.position[0] - 0.5 == pytest.approx(0.16, abs=0.004)


def test_executes_only_execute_steps(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig({"execution.execute_steps": 3}).enabled()
    rig.send(steps(x=0.02))
    status = rig.executor.status(rig.now)
    assert (status.step, status.steps_remaining) == (0, 3)
    rig.seconds(0.26)
    assert rig.executor.status(rig.now).step == 2
    rig.seconds(0.05)
    assert rig.executor.state is State.STOPPING


def test_newer_chunk_replaces_the_rest_from_the_matching_step(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig({"execution.blend_steps": 0}).enabled()
    rig.send(steps(x=0.01))
    rig.seconds(0.2)
    late = rig.chunk(np.concatenate([steps(3, x=0.1), steps(5, x=0.02)]))
    rig.seconds(0.35)  # inference takes 3.5 steps, in which the first chunk goes on
    assert rig.executor.submit(late, rig.now) is None
    assert rig.executor.status(rig.now).step == 3
    rig.seconds(0.15)
    assert x_speeds(rig)[-1] == pytest.approx(0.2)
    assert x_speeds(rig).max() == pytest.approx(0.2), "the rows that were over are not executed"


def test_rows_do_not_run_out_while_the_arm_rests(twist_rig: Any, steps: Any) -> None:
    """An inference of 2 s that started at rest is executed from its first row."""
    rig = twist_rig().enabled()
    chunk = rig.chunk(steps(x=0.02))
    rig.seconds(2.0)
    assert rig.executor.submit(chunk, rig.now) is None
    assert rig.executor.status(rig.now).step == 0


def test_chunk_whose_rows_are_all_over_is_late(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    rig.send(steps(x=0.01))
    late = rig.chunk(steps(4, x=0.02))
    rig.seconds(0.5)
    refusal = rig.executor.submit(late, rig.now)
    assert "over before it came" in refusal and rig.count("refused_late") == 1
    assert rig.executor.state is State.EXECUTING, "the first chunk goes on"


def test_blending_goes_from_the_old_row_to_the_new(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig({"execution.blend_steps": 2, "limits.linear.acceleration": 100.0}).enabled()
    rig.send(steps(x=0.01))
    rig.seconds(0.3)
    rig.send(steps(x=0.02))
    rig.seconds(0.1)
    assert x_speeds(rig)[-1] == pytest.approx(0.15, abs=0.011)
    rig.seconds(0.15)
    assert x_speeds(rig)[-1] == pytest.approx(0.2)


def test_new_chunk_during_the_ramp_is_taken_without_a_jump(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig({"execution.execute_steps": 2}).enabled()
    rig.send(steps(x=0.02))
    rig.seconds(0.27)
    assert rig.executor.state is State.STOPPING and x_speeds(rig)[-1] > 0.05
    rig.send(steps(x=0.02))
    rig.seconds(0.15)
    assert x_speeds(rig)[-1] == pytest.approx(0.2)
    assert np.abs(np.diff(x_speeds(rig))).max() <= 1.5 * rig.dt + 1e-9


def test_disable_ramps_down_and_commands_zero_once(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    rig.send(steps(x=0.02))
    rig.seconds(0.3)
    rig.executor.disable()
    rig.seconds(1.0)
    assert rig.executor.state is State.DISABLED
    *_, before, last = (c for _, c in rig.commands)
    assert before.velocity.any() and not last.velocity.any() and last.final
    assert rig.now - rig.commands[-1][0] > 0.8


def test_disable_at_rest_commands_zero_once(twist_rig: Any) -> None:
    rig = twist_rig().enabled()
    rig.tick(2)
    rig.executor.disable()
    rig.tick(5)
    assert [c.final for _, c in rig.commands] == [False, False, True]


def test_end_in_motion_is_rest_at_once(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    rig.send(steps(x=0.02))
    rig.seconds(0.3)
    last = rig.executor.end(rig.now)
    assert not last.velocity.any() and last.final
    assert rig.executor.state is State.DISABLED
    count = len(rig.commands)
    rig.tick(5)
    assert len(rig.commands) == count, "nothing after it"
    assert rig.executor.end(rig.now) is None, "the last command was zero"
    rig.enabled().tick(2)
    assert not rig.velocities[count:].any(), "nothing is left of the motion"


def test_end_keeps_a_halt(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    rig.send(steps(x=0.02))
    rig.seconds(0.3)
    rig.executor.halt("by a person")
    assert not rig.executor.end(rig.now).velocity.any()
    assert rig.executor.state is State.HALTED


def test_halt_is_latched_until_clear_and_enable(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    rig.send(steps(x=0.02))
    rig.seconds(0.3)
    rig.executor.halt("button")
    assert not rig.executor.clear().success, "still slowing down"
    rig.seconds(0.5)
    assert rig.executor.state is State.HALTED and "button" in rig.executor.reason
    assert "~/clear" in rig.executor.enable(rig.now).message
    assert "not enabled" in rig.send(steps(x=0.02))
    assert rig.executor.clear().success and rig.executor.state is State.DISABLED
    assert rig.executor.enable(rig.now).success
    assert not rig.executor.clear().success


def test_enable_toggled_at_50_hz_never_jumps(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    for i in range(100):
        rig.executor.disable() if i % 2 else rig.executor.enable(rig.now)
        rig.send(steps(x=0.03, y=-0.03))
        rig.tick(2)
    assert np.linalg.norm(np.diff(rig.velocities[:, :3], axis=0), axis=1).max() <= 0.015 + 1e-9
    assert rig.count("halted_internal") == 0


def test_approval_is_asked_for_each_chunk(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig({"execution.require_approval": True}).enabled()
    assert not rig.executor.approve(rig.now).success
    rig.send(steps(x=0.02))
    rig.send(steps(x=-0.02))
    rig.seconds(10.0)
    assert rig.executor.status(rig.now).awaiting_approval and not rig.velocities.any()
    outcome = rig.executor.approve(rig.now)
    assert outcome.success and "chunk 2" in outcome.message, "the newest is the one that is shown"
    rig.seconds(0.5)
    assert x_speeds(rig)[-1] == pytest.approx(-0.2)
    rig.send(steps(x=0.02))
    rig.seconds(1.0)
    assert rig.executor.state is State.READY and rig.executor.status(rig.now).awaiting_approval


def test_approval_expires(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig({"execution.require_approval": True}).enabled()
    rig.send(steps(x=0.02))
    rig.seconds(31.0)
    assert rig.count("approval_expired") == 1 and not rig.executor.approve(rig.now).success


def test_pose_output_starts_at_the_measured_pose_of_the_stamp(pose_rig: Any, steps: Any) -> None:
    rig = pose_rig().enabled()
    start = rig.robot.position.copy()
    rig.send(steps(z=0.02))
    rig.seconds(0.6)
    expected = start[2] + 0.02 * 6
    assert rig.robot.position[2] == pytest.approx(expected, abs=0.02)
    np.testing.assert_allclose(rig.robot.position[:2], start[:2], atol=1e-12)


def test_hold_finishes_at_the_last_target(pose_rig: Any, steps: Any) -> None:
    rig = pose_rig({"execution.at_end": "hold", "execution.execute_steps": 4}).enabled()
    rig.send(steps(z=0.02))
    rig.seconds(2.0)
    assert rig.executor.state is State.READY
    assert rig.robot.position[2] == pytest.approx(0.3 + 0.08, abs=1e-3)


def test_absolute_poses_are_reached(pose_rig: Any) -> None:
    rig = pose_rig({"action.space": "ee_pose", "execution.at_end": "hold"}).enabled()
    path = np.zeros((8, 7))
    path[:, :3] = np.linspace([0.5, 0.0, 0.3], [0.6, 0.1, 0.35], 9)[1:]
    path[:, 4] = np.pi / 2  # the fingers point down
    assert rig.send(path) is None
    rig.seconds(2.0)
    np.testing.assert_allclose(rig.robot.position, [0.6, 0.1, 0.35], atol=2e-3)


def test_tool_frame_deltas_follow_the_orientation(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig({"action.frame": "tool"}).enabled()
    rig.send(steps(x=0.02))  # along the fingers: downwards
    rig.seconds(0.4)
    np.testing.assert_allclose(rig.velocities[-1][:3], [0.0, 0.0, -0.2], atol=1e-9)


def test_joint_deltas_add_up(joint_rig: Any) -> None:
    rig = joint_rig({"execution.at_end": "hold"}).enabled()
    rows = np.zeros((5, 4))
    rows[:, 1] = 0.05
    rig.send(rows)
    rig.seconds(2.0)
    np.testing.assert_allclose(rig.robot, [0.0, 0.25, 0.0], atol=2e-3)


def test_joint_positions_are_reached_within_their_range(joint_rig: Any) -> None:
    rig = joint_rig({"action.space": "joint_position", "execution.at_end": "hold"}).enabled()
    rows = np.zeros((8, 4))
    rows[:, 0] = np.linspace(0.15, 1.2, 8)  # the range ends at 0.9
    rig.send(rows)
    rig.seconds(3.0)
    assert rig.robot[0] == pytest.approx(0.9, abs=2e-3) and rig.robot[0] <= 0.9
    assert rig.count("clamped_position") > 0


def test_gripper_follows_the_rows_and_is_kept_at_the_end(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    rig.tick()
    assert rig.commands[-1][1].gripper is None, "nothing is commanded before the first row"
    rows = steps(4, x=0.01)
    rows[:, 6] = [0.0, 0.5, 1.0, 1.7]
    rig.send(rows)
    seen: list[float | None] = []
    for _ in range(4):
        rig.tick(5)
        seen.append(rig.commands[-1][1].gripper)
        rig.tick(5)
    assert seen == [0.0, 0.5, 1.0, 1.0] and rig.count("clamped_gripper") == 1
    rig.seconds(1.0)
    assert rig.commands[-1][1].gripper == 1.0


def test_gripper_is_left_alone_after_enable(twist_rig: Any, steps: Any) -> None:
    """It may have been opened by hand in between."""
    rig = twist_rig().enabled()
    rig.send(steps(gripper=1.0))
    rig.seconds(0.2)
    rig.executor.disable()
    rig.seconds(0.2)
    rig.enabled().tick(3)
    assert rig.commands[-1][1].gripper is None


def test_enabled_again_while_slowing_down(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    rig.send(steps(x=0.02))
    rig.seconds(0.3)
    rig.executor.disable()
    rig.tick(3)
    assert rig.executor.enable(rig.now).success and rig.executor.state is State.STOPPING
    rig.seconds(0.3)
    assert rig.executor.state is State.READY and "enabled again" in rig.executor.reason


def test_late_call_makes_up_for_few_periods_only(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    rig.send(steps(x=0.03))
    rig.tick(2)
    before = rig.velocities[-1][0]
    rig.now += 0.15  # the loop was blocked
    rig.executor.observe(rig.robot, rig.now, rig.now)
    after = rig.executor.step(rig.now).velocity[0]
    assert 0.0 < after - before <= 3 * 0.015 + 1e-9


def test_status_counts_everything_by_name(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig().enabled()
    rig.send(steps(x=0.02))
    counters = rig.executor.status(rig.now).counters
    assert counters["accepted"] == 1
    assert {name for name, value in counters.items() if value} == {"accepted"}
    assert any(name.startswith("refused_") for name in counters)


def test_moves_back_into_the_workspace_but_not_further_out(twist_rig: Any, steps: Any) -> None:
    rig = twist_rig()
    rig.robot = Pose(np.array([0.85, 0.0, 0.3]), rig.robot.orientation)
    rig.enabled()
    rig.send(steps(x=0.02, y=0.02))
    rig.seconds(0.5)
    assert rig.robot.position[0] == pytest.approx(0.85) and rig.robot.position[1] > 0.05
    rig.send(steps(x=-0.02))
    rig.seconds(1.0)
    assert rig.robot.position[0] < 0.8
