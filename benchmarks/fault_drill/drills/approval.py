# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Outputs and modes that need more than a robot: approval by a person, control_msgs."""

from __future__ import annotations

import importlib.util
import time
from typing import Any

from ..drill import Attempt, Unavailable, drill
from ..limits import read_limits
from ..profiles import joint_robot
from ..rig import EXECUTING, HALTED, READY, Rig

_FEED: dict[str, Any] = {"velocity": [0.1]}


@drill()
def approval_by_service(attempt: Attempt) -> None:
    """With require_approval a chunk waits; ~/approve executes the newest one, once."""
    with Rig(attempt, require_approval=True) as rig:
        rig.prepare()
        attempt.check(not rig.call("approve").success, "approved although nothing waits")
        rig.feeder.ask(times=3, first=10, **_FEED)
        rig.until(lambda: rig.statuses[-1].awaiting_approval, "a chunk that waits")
        time.sleep(1.0)
        attempt.check(rig.speed() == 0.0, "it moves without an approval")
        answer = rig.call("approve")
        attempt.check(answer.success and "12" in answer.message, f"answer: {answer.message}")
        rig.until(lambda: rig.state == EXECUTING, "execution")
        attempt.check(rig.statuses[-1].sequence == 12, "another chunk than the newest is executed")
        rig.until(lambda: rig.state == READY, "the end of the chunk")
        attempt.check(not rig.call("approve").success, "one chunk was approved twice")
        rig.feeder.ask(times=1, **_FEED)
        rig.until(lambda: rig.statuses[-1].awaiting_approval, "a chunk that waits")
        rig.call("halt")
        rig.until(lambda: rig.state == HALTED, "the halt")
        attempt.check(not rig.call("approve").success, "approved although halted")


@drill()
def joint_jog(attempt: Attempt) -> None:
    """Joint velocities as control_msgs/JointJog."""
    if importlib.util.find_spec("control_msgs") is None:
        raise Unavailable("control_msgs is not installed")
    path = joint_robot("joint_jog", attempt.folder)
    velocity = [0.8 * group.speed for group in read_limits(path).groups]
    with Rig(attempt, path) as rig:
        rig.prepare()
        rig.feeder.ask(rate=4.0, velocity=velocity, flip=6)
        rig.until_moving()
        time.sleep(5.0)
        rig.arm.ask(faults={"stuck": [1]})
        rig.until(lambda: rig.state == HALTED, "the halt for a joint that is stuck")
