# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Trust detectors: the two reported faults raise them, ordinary robot behaviour does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from molmoact_ros.answer import ActionStats
from molmoact_ros.answer.trust import TrustLimits, TrustMonitor, record_chunk

STATS = ActionStats.from_norm_stats(
    {"robot": {"action": {"q01": [-0.05] * 3 + [0.0, 0.0], "q99": [0.05] * 3 + [0.0, 1.0]}}}
)
LIMITS = TrustLimits(chunks=5)
SCENE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
LONG = np.array([[20.0, 200.0], [120.0, 100.0]])
SHORT = np.array([[120.0, 100.0], [122.0, 101.0]])


def _problems(samples: Any, delta_actions: bool = True) -> Any:
    """Problems after the last of (actions, trajectory, image)."""
    monitor = TrustMonitor(LIMITS, delta_actions)
    problems: tuple[str, ...] = ()
    for actions, trajectory, image in samples:
        problems = monitor.add(record_chunk(actions, STATS, trajectory, image))
    return problems


def _chunk(x: Any = 0.0, y: Any = 0.0, gripper: Any = 0.0) -> Any:
    return np.tile([x, y, 0.0, 0.0, gripper], (8, 1))


def _moving(n: int = 5) -> Any:
    return [_chunk(0.01 * i, -0.008 * i) for i in range(1, n + 1)]


def test_near_zero_actions_with_a_long_trajectory() -> None:
    problems = _problems([(_chunk(0.0002 * i, gripper=i % 2), LONG, SCENE) for i in range(5)])
    assert len(problems) == 1 and problems[0].startswith("near_zero_actions: the last 5 chunks")


def test_rest_at_the_goal_is_no_alarm() -> None:
    assert _problems([(_chunk(), SHORT, SCENE)] * 5) == ()


def test_rest_without_a_trajectory_is_no_alarm() -> None:
    assert _problems([(_chunk(), np.empty((0, 2)), SCENE)] * 5) == ()


def test_one_moving_chunk_ends_the_alarm() -> None:
    samples = [(_chunk(), LONG, SCENE)] * 4 + [(_chunk(0.03), LONG, SCENE)]
    assert _problems(samples) == ()


def test_absolute_actions_may_be_zero() -> None:
    assert _problems([(_chunk(), LONG, SCENE)] * 5, delta_actions=False) == ()


def test_same_actions_while_the_goal_moves() -> None:
    samples = [(_chunk(0.03), LONG + [10 * i, 0], SCENE) for i in range(5)]
    problems = _problems(samples)
    assert len(problems) == 1 and problems[0].startswith("input_independent_actions")


def test_same_actions_in_a_changed_scene() -> None:
    scenes = [SCENE, SCENE // 2, SCENE, SCENE // 3, SCENE]
    problems = _problems([(_chunk(0.03), LONG, scene) for scene in scenes])
    assert len(problems) == 1 and problems[0].startswith("input_independent_actions")


def test_steady_motion_in_an_unchanged_scene_is_no_alarm() -> None:
    assert _problems([(_chunk(0.03), LONG + [2 * i, 0], SCENE) for i in range(5)]) == ()


def test_actions_that_follow_the_input_are_no_alarm() -> None:
    samples = [(chunk, LONG + [20 * i, 0], SCENE) for i, chunk in enumerate(_moving())]
    assert _problems(samples) == ()


def test_no_alarm_before_enough_chunks() -> None:
    assert _problems([(_chunk(), LONG, SCENE)] * 4) == ()


def test_reset_forgets() -> None:
    monitor = TrustMonitor(LIMITS)
    records = [record_chunk(_chunk(), STATS, LONG, SCENE)] * 4
    for record in records:
        monitor.add(record)
    monitor.reset()
    assert monitor.add(records[0]) == ()


@pytest.mark.parametrize("chunk", [np.empty((0, 5)), np.full((8, 5), np.nan)])
def test_unusable_chunks_raise_nothing(chunk: Any) -> None:
    assert _problems([(chunk, LONG + [20 * i, 0], SCENE) for i in range(5)]) == ()


def test_rows_may_differ_in_number() -> None:
    samples = [(_chunk(0.03)[: 4 + i], LONG + [20 * i, 0], SCENE) for i in range(5)]
    assert _problems(samples) == ()


@pytest.mark.parametrize("size", [(1, 1), (10, 7), (1080, 1920)])
def test_any_image_size(size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 128, np.uint8)
    record = record_chunk(_chunk(), STATS, LONG, image)
    np.testing.assert_allclose(record.scene, np.full((16, 16), 128 / 255), atol=1e-6)
