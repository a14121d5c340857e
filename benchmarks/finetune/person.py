# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A person who teleoperates, without ROS: what they want, and what reaches the arm.

The scripted expert decides from what a person sees: gripper and blocks. On its way the arm is
disturbed, as by a hand that is not steady, and now and then pushed; what is wanted from there leads
back. Data with the wanted motion at disturbed places teach a policy to recover (Laskey et al.,
DART, 2017).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from molmoact_ros.sim import Task
from molmoact_ros.sim.expert import STEP_SECONDS, expert_move
from molmoact_ros.sim.scene import TABLE_HEIGHT
from molmoact_ros.sim.tabletop import START_AREA, draw_in

# m; where a demonstration may begin. Half of them begin where the scene has put the arm.
_WIDER_AREA = ((1.12, 1.44), (0.54, 0.96), (0.45, 0.68))
_TREMOR, _TREMOR_SECONDS = 0.04, 0.4  # m/s, standard deviation per axis; s that it lasts
_PUSH, _PUSH_SECONDS = 0.15, 0.3  # m/s; s
_PUSHES = 0.6  # share of the demonstrations
_CALM = 0.04  # m from the goal: nearer, the disturbance fades
_LOW = TABLE_HEIGHT + 0.03  # m; lower, nothing disturbs downwards
_ARRIVED = 0.012  # m/s
_STILL_SECONDS = 0.9  # s; then the demonstration is over


@dataclass(frozen=True)
class Seen:
    """What the person sees, world frame.

    Attributes:
        time: s.
        gripper: Grip point ``[3]``, m.
        fingers: m of each finger from the middle.
        blocks: Centres ``[3, 3]``, m.
    """

    time: float
    gripper: np.ndarray
    fingers: float
    blocks: np.ndarray


@dataclass(frozen=True)
class Moves:
    """What the person does.

    Attributes:
        wanted: Speed ``[3]``, m/s, that the person asks for.
        given: The same with the disturbance; what the arm gets.
        closed: Gripper, 0 open .. 1 closed.
        done: Whether the demonstration is over.
    """

    wanted: np.ndarray
    given: np.ndarray
    closed: float
    done: bool


class Person:
    """Shows one task once."""

    def __init__(self, task: Task, seed: int) -> None:
        """Draw the beginning and the disturbance by `seed`."""
        self._task = task
        self._rng = np.random.default_rng([seed, 7])
        wider = self._rng.random() < 0.5
        self.start = draw_in(self._rng, _WIDER_AREA if wider else START_AREA)
        self._push_at = self._rng.uniform(0.2, 2.0) if self._rng.random() < _PUSHES else np.inf
        self._push = _PUSH * _unit(self._rng.normal(size=3))
        self._tremor = np.zeros(3)
        self._began = self._last = self._moved = np.nan

    def go_to_start(self, seen: Seen) -> Moves:
        """Bring the arm to where the demonstration begins; `done` there."""
        way = self.start - seen.gripper
        speed = way * min(3.0, 0.3 / max(float(np.linalg.norm(way)), 1e-9))
        return Moves(speed, speed, 0.0, bool(np.linalg.norm(way) < 0.01))

    def show(self, seen: Seen) -> Moves:
        """Do the task, disturbed."""
        if np.isnan(self._began):
            self._began = self._last = self._moved = seen.time
        move, closed = expert_move(self._task, seen.gripper, seen.fingers, seen.blocks)
        wanted = move / STEP_SECONDS
        speed = float(np.linalg.norm(wanted))
        if speed > _ARRIVED:
            self._moved = seen.time
        # The expert slows down in proportion to what is left: its speed shows the distance.
        share = min(1.0, speed * 0.3 / _CALM)
        given = wanted + share * self._disturbance(seen)
        done = seen.time - self._moved > _STILL_SECONDS
        return Moves(wanted, given, closed, done)

    def _disturbance(self, seen: Seen) -> np.ndarray:
        passed, self._last = seen.time - self._last, seen.time
        fade = np.exp(-passed / _TREMOR_SECONDS)
        fresh = self._rng.normal(0.0, _TREMOR, 3)
        self._tremor = fade * self._tremor + np.sqrt(1.0 - fade**2) * fresh
        speed = self._tremor.copy()
        if 0.0 <= seen.time - self._began - self._push_at < _PUSH_SECONDS:
            speed += self._push
        if seen.gripper[2] < _LOW:
            speed[2] = max(speed[2], 0.0)
        return speed


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.linalg.norm(vector))
