# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Long motions with many turns: acceleration by stamps, and every shipped profile at its limits."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import numpy as np

from ..drill import Attempt, Stuck, Unavailable, drill
from ..limits import Limits, read_limits
from ..measure import busy_cores
from ..profiles import ROBOTS, without_drivers
from ..rig import EXECUTING, Rig
from ..robot import read_robot

_SECONDS = 30.0


def _turn_often(attempt: Attempt, busy: bool) -> None:
    with contextlib.ExitStack() as stack:
        if busy:
            stack.enter_context(busy_cores())
        rig = stack.enter_context(Rig(attempt))
        rig.prepare()
        # A new direction with each chunk: the acceleration is at its limit nearly all the time.
        rig.feeder.ask(rate=4.0, velocity=[0.3, 0.2, -0.1, 0.2, 0.3, 0.8], flip=1)
        rig.until_moving(0.2)
        gaps = rig.gaps(_SECONDS)
        attempt.figures["longest gap ms"] = round(1e3 * gaps["stamps"], 1)


@drill()
def acceleration_idle(attempt: Attempt) -> None:
    """Acceleration between neighbouring stamps over 30 s of turns."""
    _turn_often(attempt, busy=False)


@drill()
def acceleration_loaded(attempt: Attempt) -> None:
    """Acceleration between neighbouring stamps over 30 s of turns, every core busy."""
    _turn_often(attempt, busy=True)


@drill()
def shipped_profiles(attempt: Attempt) -> None:
    """Every shipped profile is driven to its limits in random directions."""
    held = 0
    for path in sorted(ROBOTS.glob("*.yaml")):
        robot = read_robot(path)
        if not robot.is_delta and not read_limits(path).joints:
            continue  # poses: the feeder makes no chunks of them
        before = len(attempt.failures)
        try:
            _drive(attempt, without_drivers(path, attempt.folder))
        except Stuck as error:
            attempt.failures.append(str(error))
        for i in range(before, len(attempt.failures)):
            attempt.failures[i] = f"{path.stem}: {attempt.failures[i]}"
        held += 1
    attempt.figures["profiles"] = held
    if not held:
        raise Unavailable("no profiles")


def _drive(attempt: Attempt, path: Path) -> None:
    robot, limits = read_robot(path), read_limits(path)
    random = np.random.default_rng(0)
    # Changes beyond the limits are slowed down; a target that runs away from the robot is refused.
    most = 1.2 if robot.is_delta else 0.7
    with Rig(attempt, path) as rig:
        rig.prepare()
        for _ in range(2):
            shares = random.choice([-most, -0.5 * most, 0.5 * most, most], size=len(robot.axes))
            rig.feeder.ask(rate=4.0, velocity=(shares * _speeds(limits)).tolist(), flip=9)
            rig.until(lambda: rig.state == EXECUTING, "execution")
            time.sleep(2.0)


def _speeds(limits: Limits) -> np.ndarray:
    """Return the speed limit of each axis; that of a vector, shared by its three axes."""
    if not limits.cartesian:
        return np.array([group.speed for group in limits.groups])
    return np.concatenate([np.full(3, group.speed / 3**0.5) for group in limits.groups])
