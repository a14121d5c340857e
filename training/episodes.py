# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Frames of tasks at work: the expert does them while it is disturbed."""

from __future__ import annotations

import numpy as np
from tqdm import tqdm

from molmoact_ros.sim import Tabletop, Task, draw_task
from molmoact_ros.sim.expert import STEP_SECONDS, expert_move

from .data import RENDER_SIZE, FrameRecorder, Frames

ACCELERATION = 1.0  # m/s^2 in all of training's executions
_CONTROL = 0.01  # s
_STEPS = 44
_EVERY = 3  # steps between two frames
_KINDS = ("pick", "push", "pick", "push", "reach")
_VARIED = 0.4  # share of the episodes
_NOISE = 0.003  # m per step
_KICK, _KICK_SIZE, _KICK_STEPS = 0.04, 0.012, (2, 7)  # chance per step, m per step, steps
_FLIP, _FLIP_STEPS = 0.02, (1, 4)  # chance per step that the gripper does the opposite


def carry_out(table: Tabletop, velocity: np.ndarray, move: np.ndarray, closed: float) -> np.ndarray:
    """Move for 0.1 s with a velocity that approaches the row's; return the velocity reached."""
    table.command_gripper(closed)
    wanted = move / STEP_SECONDS
    for _ in range(round(STEP_SECONDS / _CONTROL)):
        change = wanted - velocity
        length = float(np.linalg.norm(change))
        velocity = velocity + change * min(1.0, ACCELERATION * _CONTROL / max(length, 1e-9))
        table.command_twist(velocity, np.zeros(3))
        table.step(_CONTROL)
    return velocity


def make_task_frames(episodes: int, seed: int) -> Frames:
    """Record disturbed expert episodes of all tasks, easy and varied."""
    rng = np.random.default_rng(seed)
    table, recorder = Tabletop(), FrameRecorder()
    for number in tqdm(range(episodes), desc="task frames", mininterval=5):
        task = draw_task(_KINDS[number % len(_KINDS)], int(rng.integers(6)))
        variation = "varied" if rng.random() < _VARIED else "easy"
        table.reset(int(rng.integers(2**31)), variation)
        _record(table, task, recorder, rng)
    table.close()
    return recorder.frames()


def _record(table: Tabletop, task: Task, recorder: FrameRecorder, rng: np.random.Generator) -> None:
    velocity, kick = np.zeros(3), np.zeros(3)
    kicked = flipped = 0
    first = int(rng.integers(_EVERY))
    for step in range(_STEPS):
        if step % _EVERY == first:
            recorder.add(table, *table.render(width=RENDER_SIZE, height=RENDER_SIZE))
        move, closed = expert_move(
            task, table.ee_pose()[0], table.finger_opening(), table.block_places()
        )
        if kicked == 0 and rng.random() < _KICK:
            kicked = int(rng.integers(*_KICK_STEPS))
            kick = rng.normal(0.0, _KICK_SIZE, 3)
        if flipped == 0 and rng.random() < _FLIP:
            flipped = int(rng.integers(*_FLIP_STEPS))
        move = (kick if kicked else move) + rng.normal(0.0, _NOISE, 3)
        velocity = carry_out(table, velocity, move, 1.0 - closed if flipped else closed)
        kicked, flipped = max(0, kicked - 1), max(0, flipped - 1)
