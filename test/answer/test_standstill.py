# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers that lead nowhere, and answers that lead somewhere."""

import numpy as np
import pytest

from molmoact_ros.answer import ActionStats
from molmoact_ros.answer.standstill import is_at_rest

STATS = ActionStats.from_norm_stats(
    {
        "arm": {
            "action": {
                "q01": [-0.02, -0.02, 0.0],
                "q99": [0.02, 0.02, 1.0],
                "mask": [True, True, False],
            }
        }
    },
    "arm",
)
SHORT, LONG = np.array([[9.0, 9.0], [11.0, 9.0]]), np.array([[9.0, 9.0], [40.0, 9.0]])


def rows(x: float, y: float = 0.0, gripper: float = 0.0) -> np.ndarray:
    return np.tile([x, y, gripper], (8, 1))


@pytest.mark.parametrize(
    ("actions", "path", "expected"),
    [
        (rows(0.0), SHORT, True),
        (rows(0.0, gripper=1.0), SHORT, True),  # a gripper that is held closed is no motion
        (rows(0.0), LONG, False),
        (rows(0.0), None, True),  # a drawn path proves nothing
        (rows(0.0, 0.01), SHORT, False),
        (rows(0.004) * np.array([[1, 1, 1], [-1, 1, 1]] * 4), SHORT, True),  # trembling
        (np.empty((0, 3)), SHORT, False),
    ],
)
def test_changes(actions: np.ndarray, path: np.ndarray | None, expected: bool) -> None:
    assert is_at_rest(actions, STATS, path, delta_actions=True) is expected


def test_targets_are_compared_with_each_other() -> None:
    assert is_at_rest(rows(0.015), STATS, SHORT, delta_actions=False)
    moving = rows(0.0)
    moving[:, 0] = np.linspace(0.0, 0.01, 8)
    assert not is_at_rest(moving, STATS, SHORT, delta_actions=False)
