# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tasks: their words, and when they are done."""

import numpy as np
import pytest

from molmoact_ros.sim import Judge, Task, draw_task
from molmoact_ros.sim.tasks import KINDS

BLOCKS = np.array([[1.2, 0.7, 0.42], [1.3, 0.8, 0.42], [1.35, 0.6, 0.42]])
FAR = np.array([1.2, 0.9, 0.6])


@pytest.mark.parametrize("kind", KINDS)
def test_words_are_read_back(kind: str) -> None:
    for seed in range(12):
        task = draw_task(kind, seed)
        assert Task.parse(task.instruction) == task


def test_seeds_draw_every_colour_and_side() -> None:
    assert len({draw_task("push", seed) for seed in range(6)}) == 6


@pytest.mark.parametrize(
    "words", ["", "reach the pink block", "push the red block", "pick up the red block to the left"]
)
def test_other_words_are_refused(words: str) -> None:
    with pytest.raises(ValueError):
        Task.parse(words)


def _after_a_second(task: Task, gripper: np.ndarray, blocks: np.ndarray) -> bool:
    judge = Judge(task, BLOCKS)
    return [judge.update(t, gripper, blocks) for t in (0.0, 0.5, 1.0)][-1]


def _moved(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> np.ndarray:
    return BLOCKS + np.array([[x, y, z], [0, 0, 0], [0, 0, 0]])


def test_reach_wants_the_gripper_near_and_still() -> None:
    task = Task("reach", "red")
    near = BLOCKS[0] + 0.02
    assert _after_a_second(task, near, BLOCKS)
    assert not _after_a_second(task, FAR, BLOCKS)
    judge = Judge(task, BLOCKS)
    passing = [judge.update(t, near + [0.02 * t, 0, 0], BLOCKS) for t in (0.0, 0.5, 1.0)]
    assert passing == [False, False, False]


def test_pick_wants_the_named_block_up() -> None:
    assert _after_a_second(Task("pick", "red"), FAR, _moved(z=0.06))
    assert not _after_a_second(Task("pick", "red"), FAR, _moved(z=0.04))
    assert not _after_a_second(Task("pick", "green"), FAR, _moved(z=0.06))


def test_push_wants_the_named_side() -> None:
    left = Task("push", "red", "left")
    assert _after_a_second(left, FAR, _moved(y=-0.06))
    assert not _after_a_second(left, FAR, _moved(y=0.06))
    assert not _after_a_second(left, FAR, _moved(y=-0.04))
    assert not _after_a_second(left, FAR, _moved(x=0.07, y=-0.06)), "more away than aside"
    assert not _after_a_second(left, FAR, _moved(y=-0.06, z=0.05)), "carried"


def test_a_moment_is_not_enough() -> None:
    judge = Judge(Task("pick", "red"), BLOCKS)
    assert not judge.update(0.0, FAR, _moved(z=0.06))
    assert not judge.update(0.6, FAR, BLOCKS)
    assert not judge.update(1.1, FAR, _moved(z=0.06))
