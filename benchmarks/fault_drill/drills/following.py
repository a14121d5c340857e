# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Robots that do not follow their commands, at any speed, and one that only lags."""

from __future__ import annotations

import time

import numpy as np

from ..drill import Attempt, drill
from ..limits import read_limits
from ..profiles import JOINT_COMMANDS, joint_robot
from ..rig import EXECUTING, HALTED, READY, Rig

_NOTICED = 12.0  # s; the slowest motion needs 5 s for `max_following_error`
# Positions are commanded from where the robot was measured, again with each chunk: a joint that is
# stuck is never far from its command, and what it owes adds up slowly.
_NOTICED_BY_POSITIONS = 60.0  # s


def _halts(rig: Rig, what: str, timeout: float = _NOTICED) -> None:
    """Wait for the halt; the judge looks at how far was commanded until then."""
    begin = time.monotonic()
    while rig.state != HALTED and time.monotonic() - begin < timeout:
        time.sleep(0.01)
    halted = rig.attempt.check(rig.state == HALTED, f"{what}: not halted within {timeout:.0f} s")
    rig.attempt.figures[f"{what}: halted after s"] = (
        round(time.monotonic() - begin, 2) if halted else "-"
    )


@drill(quick=True)
def pose_freezes(attempt: Attempt) -> None:
    """The measured pose freezes during motion, with fresh stamps, at several speeds."""
    with Rig(attempt) as rig:
        for speed in (0.2,) if attempt.quick else (0.05, 0.1, 0.2, 0.245, 0.3):
            rig.prepare()
            # To and fro first, so that the robot is at speed and in the middle of its box.
            rig.feeder.ask(rate=5.0, velocity=[-speed], flip=4)
            rig.until_moving(0.5 * speed / 0.3)
            rig.arm.ask(faults={"frozen": True})
            rig.feeder.ask(rate=5.0, velocity=[speed])
            _halts(rig, f"{speed} m/s")


@drill()
def pose_is_frozen_at_the_start(attempt: Attempt) -> None:
    """The robot does not move from the first command on, along and about each axis."""
    motions = ([0.2], [0.0, -0.1], [0.0, 0.0, 0.2], [0.0, 0.0, 0.0, 0.0, 0.0, 0.5])
    with Rig(attempt) as rig:
        for velocity in motions:
            rig.prepare()
            rig.arm.ask(faults={"frozen": True})
            rig.feeder.ask(rate=5.0, velocity=velocity)
            _halts(rig, f"velocity {velocity}")


@drill()
def pose_is_frozen_with_noise(attempt: Attempt) -> None:
    """A frozen pose with the noise of a sensor (0.3 mm) is frozen."""
    with Rig(attempt) as rig:
        for speed in (0.1, 0.2):
            rig.prepare()
            rig.arm.ask(faults={"frozen": True}, reports={"noise": 0.0003})
            rig.feeder.ask(rate=5.0, velocity=[speed])
            _halts(rig, f"{speed} m/s")


@drill()
def pose_drifts_the_other_way(attempt: Attempt) -> None:
    """The robot creeps against the commanded direction."""
    with Rig(attempt) as rig:
        for speed in (0.1, 0.2):
            rig.prepare()
            rig.arm.ask(faults={"stuck": [0], "drift": {"0": -0.02}})
            rig.feeder.ask(rate=5.0, velocity=[speed])
            _halts(rig, f"{speed} m/s")


@drill()
def one_joint_is_stuck(attempt: Attempt) -> None:
    """One joint of all does not move, for each kind of joint command."""
    for kind in JOINT_COMMANDS:
        path = joint_robot(kind, attempt.folder)
        limits = read_limits(path)
        stuck = len(limits.joints) - 2
        velocity = np.array([0.4 * group.speed for group in limits.groups])
        with Rig(attempt, path) as rig:
            rig.prepare()
            rig.arm.ask(faults={"stuck": [stuck]})
            rig.feeder.ask(rate=5.0, velocity=velocity.tolist())
            _halts(rig, kind, _NOTICED if "velocity" in kind else _NOTICED_BY_POSITIONS)


@drill()
def one_axis_is_stuck(attempt: Attempt) -> None:
    """One direction of the end effector does not move while another does."""
    with Rig(attempt) as rig:
        rig.prepare()
        rig.arm.ask(faults={"stuck": [1]})
        rig.feeder.ask(rate=5.0, velocity=[0.05, 0.2])
        _halts(rig, "y of the end effector")


@drill(quick=True)
def a_lag_of_300_ms_is_no_fault(attempt: Attempt) -> None:
    """A robot that follows 300 ms late is not halted, at full speed and in turns."""
    with Rig(attempt) as rig:
        rig.prepare()
        rig.arm.ask(faults={"lag": 0.3}, reports={"noise": 0.0003})
        rig.feeder.ask(rate=5.0, velocity=[0.28, 0.1, 0.0, 0.0, 0.0, 0.3], flip=4)
        rig.until(lambda: rig.state == EXECUTING, "execution")
        end = time.monotonic() + (5.0 if attempt.quick else 20.0)
        while time.monotonic() < end and rig.state != HALTED:
            time.sleep(0.05)
        attempt.check(rig.state == EXECUTING, f"state {rig.state}: {rig.reason}")
        rig.feeder.ask()
        rig.until(lambda: rig.state in (READY, HALTED), "rest")
        attempt.check(rig.state == READY, f"halted after the motion: {rig.reason}")
