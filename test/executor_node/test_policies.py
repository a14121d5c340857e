# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What policies do to the executor by dying, hanging, coming back, and being two."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from molmoact_ros.msg import ExecutorStatus

EXECUTING, READY = ExecutorStatus.STATE_EXECUTING, ExecutorStatus.STATE_READY


def test_stopped_killed_and_restarted(robot: Any, measured: Callable[[str, float], None]) -> None:
    """Each time the last chunk ends, the ramp follows, and the next chunk is followed again."""
    policy = robot.policy()
    robot.until_moving()
    for _ in range(5):
        policy.send_signal(signal.SIGSTOP)
        robot.until_rest()
        robot.until(lambda: robot.status.reason.startswith("at rest"), "rest")
        reason = robot.status.reason
        policy.send_signal(signal.SIGCONT)
        robot.until_moving()
        if "ee_pose" not in reason:  # on a busy machine the pose may have come too late
            break
    assert "no newer one came" in reason

    policy.kill()
    killed = time.monotonic()
    measured("policy SIGKILL -> rest (8 steps of 0.1 s left at most)", robot.until_rest() - killed)
    robot.until_state(READY)

    accepted = robot.count("accepted")
    robot.policy(step=-0.02)  # counts from 0 again
    robot.until(lambda: robot.count("accepted") > accepted, "a chunk of the new policy")
    robot.until_moving()


def test_silence_ends_the_motion_after_the_last_valid_step(
    robot: Any, steps: Any, measured: Callable[[str, float], None]
) -> None:
    robot.drive(steps())
    robot.until_rest()
    twists = list(robot.twists)
    last = max(stamp for _, stamp, velocity in twists if velocity.any())
    rest = max(stamp for _, stamp, velocity in twists if stamp < last and not velocity.any())
    stamps = [stamp for _, stamp, velocity in twists if stamp > rest and velocity.any()]
    end = stamps[0] + 0.8
    late = sum(max(0.0, gap - 0.01) for gap in np.diff([s for s in stamps if s > end - 0.01]))
    measured("end of the last step -> rest", stamps[-1] + 0.01 - end)
    assert stamps[-1] <= end + 0.2 + late, "0.2 s promised, and what a busy machine was late"


def test_two_at_once_stop_the_arm_and_one_alone_is_followed(robot: Any) -> None:
    robot.policy(step=0.01, sequence=100)
    stopped = robot.count("stopped_two_policies")
    for _ in range(5):  # on a busy machine the arm may be at rest already
        robot.until_state(EXECUTING)
        refused = robot.count("refused_two_policies")
        second = robot.policy(step=0.01, sequence=0)
        robot.until(lambda r=refused: robot.count("refused_two_policies") > r, "the conflict")
        robot.until(lambda: robot.status.state == READY, "rest")
        second.kill()
        if robot.count("stopped_two_policies") > stopped:
            break
    assert robot.count("stopped_two_policies") > stopped
    robot.until_state(EXECUTING)


def test_new_instruction_mid_chunk_is_followed_without_a_jump(robot: Any, steps: Any) -> None:
    """A changed instruction reaches the executor as a newer chunk."""
    robot.drive(steps())

    def followed() -> bool:  # sent again, as by a policy: on a busy machine the pose may be late
        robot.chunk(steps(x=-0.02))
        time.sleep(0.3)
        return bool(robot.twists[-1][2][0] < -0.15)

    robot.until(followed, "the new direction")
    robot.until_rest()
