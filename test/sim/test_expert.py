# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The scripted expert does every task in the simulator, and its roll-outs record what it does."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from molmoact_ros.sim import Judge, Tabletop, Task
from molmoact_ros.sim.expert import (
    MAX_STEP,
    OPEN,
    Scenes,
    expert_actions,
    expert_labels,
    expert_move,
)
from training.episodes import carry_out, make_task_frames

TASKS = (Task("reach", "red"), Task("pick", "green"), Task("push", "blue", "left"))


@pytest.fixture(scope="module")
def table() -> Iterator[Tabletop]:
    table = Tabletop()
    yield table
    table.close()


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_the_expert_does_the_task(table: Tabletop, task: Task) -> None:
    table.reset(2)
    judge, velocity = Judge(task, table.block_places()), np.zeros(3)
    done = False
    for _ in range(70):
        move, closed = expert_move(
            task, table.ee_pose()[0], table.finger_opening(), table.block_places()
        )
        assert np.linalg.norm(move) <= MAX_STEP + 1e-9
        velocity = carry_out(table, velocity, move, closed)
        done = done or judge.update(table.time, table.ee_pose()[0], table.block_places())
    assert done


def _scene(above: float, fingers: float = OPEN) -> Scenes:
    block = np.array([[1.3, 0.75, 0.42]])
    return Scenes(block + [0.0, 0.0, above], np.array([fingers]), block)


def test_pick_closes_only_around_the_block_and_rises_only_with_it() -> None:
    cases = ((0.12, OPEN, 0), (0.024, OPEN, 0), (0.016, OPEN, 1), (0.016, 0.0166, 1))
    for above, fingers, closed in cases:
        move, gripper = expert_actions("pick", "", _scene(above, fingers))
        assert gripper[0] == closed
        assert (move[0, 2] > 0) == (fingers < OPEN)


@pytest.mark.parametrize(("beside", "closed"), [((0.0, 0.025), 1), ((0.025, 0.0), 0)])
def test_fingers_centre_the_block_across_but_must_be_in_line_with_it(
    beside: tuple[float, float], closed: int
) -> None:
    scene = _scene(0.015)
    _, gripper = expert_actions("pick", "", replace(scene, block=scene.block + [*beside, 0.0]))
    assert gripper[0] == closed


def test_pick_comes_from_higher_than_it_lifts_to() -> None:
    """Else a block in the air looks like one that lies further back on the table."""
    scene = _scene(0.12)
    away = replace(scene, gripper=scene.gripper + [0.15, 0.0, 0.0])
    for _ in range(30):
        move, _ = expert_actions("pick", "", away)
        away = replace(away, gripper=away.gripper + move)
        beside = np.linalg.norm((away.gripper - away.block)[0, :2])
        assert (
            beside < 0.04
            or away.gripper[0, 2] > expert_labels("pick", "", _scene(0.015)).points[0, -1, 2]
        ), "low beside the block"
    assert beside < 0.012


def test_a_push_waits_until_the_finger_is_in_line() -> None:
    scene = _scene(0.015)
    for beside, pushes in ((0.0, True), (0.018, False)):
        moved = replace(scene, gripper=scene.gripper + [beside, 0.0, 0.0])
        move, _ = expert_actions("push", "right", moved)
        assert (move[0, 1] > 0.01) == pushes


def test_shut_fingers_open_before_they_come_down() -> None:
    move, gripper = expert_actions("pick", "", _scene(0.05, 0.0))
    assert gripper[0] == 0 and move[0, 2] == pytest.approx(0.0)


def test_roll_out_of_a_pick_closes_and_lifts() -> None:
    labels = expert_labels("pick", "", _scene(0.05))
    assert labels.closed[0].tolist() == sorted(labels.closed[0].tolist())
    assert 0.5 < labels.points[0, -1, 2] < 0.535


def test_roll_out_of_a_push_goes_to_the_named_side() -> None:
    for side, sign in (("left", -1), ("right", 1)):
        labels = expert_labels("push", side, _scene(0.015))
        assert sign * (labels.points[0, -1, 1] - 0.75) > 0.1
        assert (labels.closed == 0).all()


def test_disturbed_episodes_show_every_stage_of_the_tasks() -> None:
    frames = make_task_frames(3, seed=1)
    assert len(frames) > 40
    assert frames.fingers.min() < 0.03 and frames.fingers.max() > 0.045
    assert frames.blocks[..., 2].max() > 0.45, "nothing was lifted"
    assert len(np.unique(frames.camera_position[:, 0])) > 1, "no varied scene"
