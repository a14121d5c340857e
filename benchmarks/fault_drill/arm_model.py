# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How the fake arm moves: as commanded, later, less, or not at all. No ROS in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .turns import times, turn_by

HOLD = 0.1  # s that a velocity is followed at most, as drivers do


@dataclass
class Faults:
    """What is wrong with the arm's motion.

    Attributes:
        frozen: Nothing moves it.
        lag: s after which it follows.
        stuck: Indices of axes that do not move.
        drift: m/s or rad/s of axes, on top of what is commanded.
    """

    frozen: bool = False
    lag: float = 0.0
    stuck: tuple[int, ...] = ()
    drift: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Order:
    """What holds from a time on: a velocity, or a position `spread` over some time."""

    time: float
    velocity: np.ndarray | None = None
    path: tuple[np.ndarray, np.ndarray] | None = None  # times [P], absolute; positions [P, D]


class ArmModel:
    """A pose `[7]` or joint positions `[J]`; times in s of one clock."""

    def __init__(self, home: np.ndarray, cartesian: bool) -> None:
        self.faults = Faults()
        self._cartesian = cartesian
        self._orders: deque[_Order] = deque()
        self.put(home)

    def put(self, position: np.ndarray) -> None:
        """Be somewhere at once, at rest."""
        self._position = position.copy()
        self._order = _Order(-np.inf)
        self._orders.clear()
        self._time: float | None = None

    def follow_velocity(self, velocity: np.ndarray, time: float) -> None:
        """Take a velocity `[6]` or `[J]` at a time."""
        self._orders.append(_Order(time + self.faults.lag, velocity=velocity))

    def follow_path(self, at: np.ndarray, positions: np.ndarray) -> None:
        """Take positions `[P, D]` and when each shall be reached; the last is kept."""
        late = at + self.faults.lag
        self._orders.append(_Order(float(late[0]), path=(late, positions)))

    def at(self, now: float) -> np.ndarray:
        """Return the position at a time that is not before the one that was asked for last."""
        if self._time is None or now < self._time:
            self._time = now
        while self._orders and self._orders[0].time <= now:
            order = self._orders.popleft()
            if order.time > self._time:
                self._advance(order.time)
            if not self.faults.frozen:
                self._order = order
        self._advance(now)
        return self._position.copy()

    def _advance(self, now: float) -> None:
        """Move on under the present order."""
        assert self._time is not None
        order, before, self._time = self._order, self._time, now
        if self.faults.frozen:
            self._order = _Order(-np.inf)
        elif order.velocity is not None:
            moved = np.clip(now, order.time, order.time + HOLD)
            moved -= np.clip(before, order.time, order.time + HOLD)
            self._move(np.where(self._is_stuck(len(order.velocity)), 0.0, order.velocity) * moved)
        elif order.path is not None:
            at, positions = order.path
            target = np.array([np.interp(now, at, column) for column in positions.T])
            stuck = self._is_stuck(len(target))
            self._position = np.where(stuck, self._position, target)
        if self.faults.drift:
            motion = np.zeros(6 if self._cartesian else len(self._position))
            for axis, speed in self.faults.drift.items():
                motion[axis] = speed * (now - before)
            self._move(motion)

    def _is_stuck(self, number: int) -> np.ndarray:
        return np.isin(np.arange(number), self.faults.stuck)

    def _move(self, way: np.ndarray) -> None:
        if not self._cartesian:
            self._position = self._position + way
            return
        q = times(turn_by(way[3:]), self._position[3:])
        self._position = np.concatenate([self._position[:3] + way[:3], q / np.linalg.norm(q)])
