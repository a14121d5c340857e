# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The log is for changes that a person wants to know: not a line for every chunk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from rcl_interfaces.msg import Log

CHUNKS = 4


def test_chunks_leave_one_line_and_faults_each_their_own(
    robot: Any, steps: Callable[..., np.ndarray]
) -> None:
    def lines(start: int, level: int = 0) -> list[str]:
        own = [m for m in robot.log[start:] if m.name == "molmoact_executor" and m.level >= level]
        return [message.msg for message in own]

    robot.until(lambda: any("READY: enabled" in line for line in lines(0)), "the log")
    begin, ended = len(robot.log), robot.count("stopped_no_chunk")
    for number in range(1, CHUNKS + 1):
        robot.chunk(steps(rows=2, x=0.005))
        robot.until(
            lambda n=number: robot.count("stopped_no_chunk") == ended + n, "the chunk's end"
        )
    robot.until_rest()
    robot.chunk(steps(rows=30))
    robot.until_moving()
    robot.reports = False  # a fault: the pose is missing
    robot.until(lambda: any("STOPPING: " in line for line in lines(begin)), "the fault")
    robot.reports = True
    (chunk,) = [line for line in lines(begin) if line.startswith("EXECUTING")]
    others = [line for line in lines(begin) if line != chunk]
    assert "STOPPING" in others[0] and "ee_pose" in others[0]
    assert len(others) <= 2  # and READY, at rest, with the same reason

    robot.enable(False)
    robot.until(lambda: any(line.startswith("DISABLED") for line in lines(begin)), "DISABLED")
    begin, refused = len(robot.log), robot.count("refused_not_enabled")
    for number in range(1, CHUNKS + 1):
        robot.chunk(steps())
        robot.until(
            lambda n=number: robot.count("refused_not_enabled") == refused + n, "the refusal"
        )
    robot.chunk(steps(), dof=6)  # logged after all of them
    robot.until(lambda: any("dof" in line for line in lines(begin)), "the fault")
    (looking,) = [line for line in lines(begin) if "not enabled" in line]
    assert looking.endswith("motion is not enabled: chunks are only looked at")
    assert not any("not enabled" in line for line in lines(0, Log.WARN))
