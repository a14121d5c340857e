# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The scripted expert: does a task as a function of where gripper and block are now.

It has no memory, so it labels any frame, also those that a half-trained model wandered into.
Positions are metres in the base frame, a step is 0.1 s. All three tasks begin alike: the open
fingers come down around the block. Then `pick` closes them and rises, and `push` moves sideways, so
that the finger behind the block pushes it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from molmoact_ros.sim import Task
from molmoact_ros.sim.scene import COLORS
from molmoact_ros.sim.tasks import SIDES

STEP_SECONDS = 0.1
MAX_STEP = 0.02  # m per step: 0.2 m/s
MAX_STEPS = 56
ROWS = 8
POINTS = 5
GOAL_ABOVE_BLOCK = np.array([0.0, 0.0, 0.015])  # fingers beside the block, off the table
# Deeper to pick: closed 2 cm above the other goal, the fingers slip off the block's top.
GRIP_ABOVE_BLOCK = np.array([0.0, 0.0, 0.007])
OPEN = 0.05  # m of each finger from the middle
HELD = 0.0166  # m, the same around a block

_GAIN = 0.35  # of the remaining way per step
_HOVER = 0.09  # m above the goal while the block is far
_FUNNEL = 0.015  # m beside the goal where the descent may end
_ARRIVED = 0.004  # m per step: slower is the end of a path
_CLOSING = 0.017  # m per step of each finger, in the roll-out
# m around the goal where the fingers close. They centre the block in y by themselves; measured: a
# grip holds within 15 mm in x, 30 mm in y and 12 mm above.
_GRIP = (0.015, 0.03, 0.013)
_GRIPPED = 0.026  # m of each finger; with a block between them
_SHUT = 0.042  # m of each finger; too narrow to come down around a block
# To pick, the gripper comes from higher than it lifts: a block in the air looks like one that lies
# further back on the table, and then the gripper's height distinguishes them.
_STEEP, _STEEP_HOVER = (0.018, 4.0), 0.13  # m beside where it ends, slope; m
_LIFT_HEIGHT = 0.53  # m, of the grip point
# m per step; below q99 of a reach's steps, for the largest byte is what a closed gripper is.
_LIFT_STEP = 0.0105
_CAGE = (0.02, 0.042, 0.018)  # m around the goal: a finger moving in y will push the block
_SLACK = 0.03  # m that the block lies behind the grip point while pushed
_IN_LINE = (0.005, 0.013)  # m along x: a finger further out pushes slower, or waits: it slips off
_PUSH_LINES = (0.46, 1.04)  # m, y of the grip point where pushing ends


@dataclass(frozen=True)
class Scenes:
    """N states of gripper and one block each.

    Attributes:
        gripper: Grip points `[N, 3]`.
        fingers: `[N]` m of each finger from the middle.
        block: Centres `[N, 3]` of the blocks that the task is about.
    """

    gripper: np.ndarray
    fingers: np.ndarray
    block: np.ndarray


@dataclass(frozen=True)
class Labels:
    """What the expert would do from each of N states.

    Attributes:
        points: `[N, 5, 3]` grip points from now to the end, evenly spread in time.
        deltas: `[N, 8, 3]` movement of the next eight steps, m.
        closed: `[N, 8]` gripper of the next eight steps, 0 open, 1 closed.
    """

    points: np.ndarray
    deltas: np.ndarray
    closed: np.ndarray


def expert_step(gripper: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Return the next movement `[..., 3]`, m, from `gripper` to `goal` `[..., 3]`.

    The gripper stays above a cone over the goal, so that its fingers come down around the block.
    """
    return _approach(gripper, goal, 0.0)


def expert_actions(kind: str, side: str, scenes: Scenes) -> tuple[np.ndarray, np.ndarray]:
    """Return movements `[N, 3]`, m, and gripper `[N]`, 0 open or 1 closed, of one step."""
    if kind == "pick":
        return _pick(scenes)
    goal = scenes.block + GOAL_ABOVE_BLOCK
    way = goal - scenes.gripper
    # Fingers that are shut must open above the block.
    shut = np.where(scenes.fingers < _SHUT, _HOVER, 0.0)
    move = _approach(scenes.gripper, goal, shut)
    if kind == "push":
        caged = (np.abs(way) < _CAGE).all(axis=-1) & (scenes.fingers >= _SHUT)
        sideways = np.stack([_GAIN * way[..., 0], _push_speed(scenes, side), way[..., 2]], axis=-1)
        move = np.where(caged[..., None], _limit(sideways), move)
    return move, np.zeros(len(move))


def expert_move(
    task: Task, gripper: np.ndarray, fingers: float, blocks: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return one step of a task for one scene.

    Args:
        task: What to do.
        gripper: Grip point `[3]`, m.
        fingers: m of each finger from the middle.
        blocks: Centres `[3, 3]` in the order of `COLORS`, m.

    Returns:
        Movement `[3]`, m per 0.1 s, and the gripper, 0 open or 1 closed.
    """
    block = blocks[COLORS.index(task.color)]
    scenes = Scenes(np.asarray(gripper)[None], np.array([fingers]), np.asarray(block)[None])
    move, closed = expert_actions(task.kind, task.side, scenes)
    return move[0], float(closed[0])


def expert_labels(kind: str, side: str, scenes: Scenes) -> Labels:
    """Roll the expert out from each state, without physics."""
    now = Scenes(
        np.array(scenes.gripper, dtype=np.float64),
        np.array(scenes.fingers, dtype=np.float64),
        np.array(scenes.block, dtype=np.float64),
    )
    path, grips, busy = [now.gripper], [], []
    for _ in range(MAX_STEPS):
        move, closed = expert_actions(kind, side, now)
        # A still gripper that closes is not at its end yet.
        waits = (closed == 1.0) & (now.fingers > _GRIPPED)
        busy.append((np.linalg.norm(move, axis=-1) >= _ARRIVED) | waits)
        now = _advance(now, move, closed)
        path.append(now.gripper)
        grips.append(closed)
    stacked = np.stack(path, axis=1)
    # The step after the last one that still did something.
    last = MAX_STEPS - np.argmax(np.stack(busy, axis=1)[:, ::-1], axis=1)
    last = np.where(np.any(busy, axis=0), last, 0)
    picks = np.linspace(0.0, last, POINTS, axis=1).astype(int)
    points = np.take_along_axis(stacked, picks[..., None], axis=1)
    return Labels(points, np.diff(stacked[:, : ROWS + 1], axis=1), np.stack(grips[:ROWS], axis=1))


def _pick(scenes: Scenes) -> tuple[np.ndarray, np.ndarray]:
    goal = scenes.block + GRIP_ABOVE_BLOCK
    way = goal - scenes.gripper
    narrow = scenes.fingers < _SHUT
    slack = np.where(narrow, 1.6, 1.0)  # what is between the fingers already is not let go
    at = (np.abs(way) < slack[..., None] * _GRIP).all(axis=-1)
    held = at & (scenes.fingers < _GRIPPED)
    rise = np.clip(_GAIN * (_LIFT_HEIGHT - scenes.gripper[..., 2]), -_LIFT_STEP, _LIFT_STEP)
    beside = np.linalg.norm(way[..., :2], axis=-1)
    funnel = np.clip(_STEEP[1] * (beside - _STEEP[0]), 0.0, _STEEP_HOVER)
    # Shut fingers would land on the block: they open before the gripper goes on down.
    move = _approach(
        scenes.gripper, goal, np.where(narrow, np.maximum(funnel, -way[..., 2]), funnel)
    )
    move = np.where(at[..., None], 0.0, move)
    move[..., 2] = np.where(held, rise, move[..., 2])
    return move, at.astype(np.float64)


def _push_speed(scenes: Scenes, side: str) -> np.ndarray:
    direction = SIDES[side]
    line = _PUSH_LINES[0] if direction < 0 else _PUSH_LINES[1]
    left = (line - scenes.gripper[..., 1]) * direction
    beside = np.abs(scenes.block[..., 0] - scenes.gripper[..., 0])
    slow, still = _IN_LINE
    share = np.clip((still - beside) / (still - slow), 0.0, 1.0)
    return direction * share * np.clip(left, 0.0, MAX_STEP)


def _approach(gripper: np.ndarray, goal: np.ndarray, lift: np.ndarray | float) -> np.ndarray:
    way = goal - gripper
    beside = np.linalg.norm(way[..., :2], axis=-1)
    height = goal[..., 2] + np.maximum(np.clip(beside - _FUNNEL, 0.0, _HOVER), lift)
    return _limit(
        _GAIN * np.concatenate([way[..., :2], (height - gripper[..., 2])[..., None]], axis=-1)
    )


def _limit(step: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(step, axis=-1, keepdims=True)
    return step * np.minimum(1.0, MAX_STEP / np.maximum(length, 1e-9))


def _advance(scenes: Scenes, move: np.ndarray, closed: np.ndarray) -> Scenes:
    """Guess the next state: held blocks follow, blocks between open fingers are pushed."""
    gripper = scenes.gripper + move
    offset = scenes.block - scenes.gripper
    around = (np.abs(offset + GOAL_ABOVE_BLOCK) < _CAGE).all(axis=-1)
    held = around & (scenes.fingers < _GRIPPED) & (closed == 1.0)
    block = np.where(held[:, None], scenes.block + move, scenes.block)
    inside = np.clip(block[:, 1], gripper[:, 1] - _SLACK, gripper[:, 1] + _SLACK)
    block[:, 1] = np.where(around & ~held, inside, block[:, 1])
    narrowest = np.where(around, HELD, 0.0)
    change = np.where(closed == 1.0, -_CLOSING, _CLOSING)
    return Scenes(gripper, np.clip(scenes.fingers + change, narrowest, OPEN), block)
