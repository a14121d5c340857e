# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What policies do to the executor by dying, hanging, coming back, and being two."""

import signal
import time

from molmoact_ros.msg import ExecutorStatus

EXECUTING, READY = ExecutorStatus.STATE_EXECUTING, ExecutorStatus.STATE_READY


def test_stopped_killed_and_restarted(robot, measured):
    """Each time the last chunk ends, the ramp follows, and the next chunk is followed again."""
    policy = robot.policy()
    robot.until_moving()
    policy.send_signal(signal.SIGSTOP)
    robot.until_rest()
    assert "no newer one came" in robot.status.reason
    policy.send_signal(signal.SIGCONT)
    robot.until_moving()

    policy.kill()
    killed = time.monotonic()
    measured("policy SIGKILL -> rest (8 steps of 0.1 s left at most)", robot.until_rest() - killed)
    robot.until_state(READY)

    accepted = robot.count("accepted")
    robot.policy(step=-0.02)  # counts from 0 again
    robot.until(lambda: robot.count("accepted") > accepted, "a chunk of the new policy")
    robot.until_moving()


def test_silence_ends_the_motion_after_the_last_valid_step(robot, steps, measured):
    before = len(robot.twists)
    robot.drive(steps())
    started = next(received for received, _, velocity in robot.twists[before:] if velocity.any())
    after = robot.until_rest() - (started + 0.8)
    measured("end of the last step -> rest", after)
    assert after <= 0.2 + 0.3, "0.2 s promised, the rest is for a busy machine"


def test_two_at_once_stop_the_arm_and_one_alone_is_followed(robot):
    robot.policy(step=0.01, sequence=100)
    robot.until(lambda: robot.speed > 0.05, "motion")
    second = robot.policy(step=0.01, sequence=0)
    robot.until(lambda: robot.count("stopped_two_policies") > 0, "the conflict")
    robot.until_rest()
    assert robot.status.state != EXECUTING
    second.kill()
    robot.until_state(EXECUTING)


def test_new_instruction_mid_chunk_is_followed_without_a_jump(robot, steps):
    """A changed instruction reaches the executor as a newer chunk."""
    robot.drive(steps())
    robot.chunk(steps(x=-0.02))
    robot.until(lambda: robot.twists[-1][2][0] < -0.15, "the new direction")
    robot.until_rest()
