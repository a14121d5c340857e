# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The log is for changes that a person wants to know: not a line for every chunk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rcl_interfaces.msg import Log

CHUNKS = 4
TABLETOP = Path(__file__).parents[2] / "config" / "robots" / "tabletop.yaml"


def test_chunks_leave_one_line_and_faults_each_their_own(
    new_lab: Callable[..., Any], steps: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    # A busy machine must not add faults, hence the longer time for the pose.
    profile = tmp_path / "robot.yaml"
    profile.write_text(TABLETOP.read_text().replace("state_timeout: 0.2", "state_timeout: 1.5"))
    robot = new_lab(robot=profile, execute_steps=30)
    robot.prepare()

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
    robot.chunk(steps(rows=30, x=0.005))  # slowly: a following error is another fault
    robot.until(lambda: robot.speed > 0.04, "motion")
    robot.reports = False  # a fault: the pose is missing
    robot.until(lambda: any("STOPPING: " in line for line in lines(begin)), "the fault")
    robot.reports = True
    found = lines(begin)
    (chunk,) = [line for line in found if line.startswith("EXECUTING")]
    # Before it there may be what was logged when motion was enabled, which comes by another way.
    others = found[found.index(chunk) + 1 :]
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
