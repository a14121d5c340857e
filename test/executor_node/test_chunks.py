# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Bad chunks over real DDS, sent while a good one is executed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from molmoact_ros.msg import ActionChunk, ExecutorStatus
from std_msgs.msg import Header

NAMES = ["x", "y", "z", "roll", "pitch", "yaw", "gripper"]
GOOD = np.zeros((8, 7))
LATE = "stopped_state"  # on a busy machine a pose of this process may come too late


@pytest.mark.parametrize(
    ("counter", "values", "changes"),
    [
        ("refused_not_finite", np.full((8, 7), np.nan), {}),
        ("refused_not_finite", np.full((8, 7), np.inf), {}),
        ("refused_step_size", np.full((8, 7), 1e9), {}),
        ("refused_shape", GOOD, {"dof": 6}),
        ("refused_names", GOOD[:, :6], {"names": NAMES[:6]}),
        ("refused_names", GOOD, {"names": ["a", *NAMES[1:]]}),
        ("refused_shape", GOOD[:0], {}),
        ("refused_horizon", np.zeros((1000, 7)), {}),
        ("refused_stamp_old", GOOD, {"offset": -10.0}),
        ("refused_stamp_future", GOOD, {"offset": 10.0}),
        ("refused_stamp_zero", GOOD, {"header": Header()}),
        ("refused_sequence", GOOD, {"sequence": 5}),
        ("refused_invalid", GOOD, {"valid": False}),
        ("refused_frame", GOOD, {"frame_id": "world"}),
        ("refused_step_period", GOOD, {"step_period": 5.0}),
        ("refused_confidence", GOOD, {"confidence": float("inf")}),
    ],
)
def test_bad_chunk_mid_motion_changes_nothing(
    robot: Any, steps: Any, counter: str, values: Any, changes: dict[str, Any]
) -> None:
    robot.drive(steps(x=0.018))
    before, ended, late = (robot.count(name) for name in (counter, "stopped_no_chunk", LATE))
    robot.chunk(values, **changes)
    robot.until(lambda: robot.count(counter) == before + 1, counter)
    still_executing = robot.status.state == ExecutorStatus.STATE_EXECUTING
    ended_as_it_should = robot.count("stopped_no_chunk") == ended + 1
    assert still_executing or ended_as_it_should or robot.count(LATE) > late


def test_repeated_sequence_is_executed_once(robot: Any, steps: Any) -> None:
    refused = robot.count("refused_sequence")
    robot.drive(steps())
    robot.until(lambda: robot.status.sequence == robot.sequence, "the chunk")
    accepted = robot.count("accepted")
    robot.chunk(steps(x=-0.02), sequence=robot.sequence)
    robot.until(lambda: robot.count("refused_sequence") == refused + 1, "the refusal")
    robot.until_rest()
    assert robot.count("accepted") == accepted


@pytest.mark.parametrize(
    "changes",
    [
        {"names": ["name"] * 500_000},
        {"header": Header(frame_id="f" * 5_000_000)},
    ],
    ids=["names", "frame_id"],
)
def test_a_chunk_of_5_mb_is_refused_unread(robot: Any, steps: Any, changes: dict[str, Any]) -> None:
    """Converting it would stop the loop meanwhile; `benchmarks/flood_inputs.py` measures that."""
    robot.drive(steps())
    before = robot.count("refused_unreadable")
    for i in range(2):
        robot.chunk(steps(), **changes)
        robot.until(lambda i=i: robot.count("refused_unreadable") == before + i + 1, "the refusal")
    robot.drive(steps(x=-0.02))


def test_what_is_no_chunk_is_refused(robot: Any, steps: Any) -> None:
    robot.drive(steps())
    before = robot.count("refused_unreadable")
    robot.publish(ActionChunk, "action_chunk", b"\x00\x01\x00\x00" + b"\xff" * 100)
    robot.until(lambda: robot.count("refused_unreadable") == before + 1, "the refusal")
    robot.drive(steps(x=-0.02))
