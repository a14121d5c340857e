# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the executor moves, with the jerk bounded: an end effector or a group of joints.

The jerk is bounded by averaging: the velocity that is commanded is the mean of the last N limited
ones. A mean of velocities within their limits is within them, and so is its change; positions
become means of positions inside a convex range, so they stay inside too. With an acceleration of at
most a, the acceleration of the mean changes by at most 2 a / N per period: N = 2 a / (jerk dt).
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from . import rotation
from .braking import brakable_speed, brakable_speeds, norm, shortened
from .limits import JointLimit, Limits, MotionLimit, Workspace
from .motion import Clamps, Joints, Rotation, Translation
from .plan import Setpoint
from .pose import Pose, Position, difference, moved_on
from .robot_profile import RobotProfile

TRACKING_GAIN = 5.0  # 1/s; share of a position error that is made up per second
_STILL = 1e-12  # m/s or rad/s; rounding
# Stand-ins for axes that the action does not use: nothing ever asks them to move.
_UNUSED = MotionLimit(speed=1.0, acceleration=1.0, max_step=1.0, max_following_error=1.0)
_ANYWHERE = Workspace((-100.0,) * 3, (100.0,) * 3)


class Mover(ABC):
    """Holds the last command and moves it on within the limits, one control period at a time.

    Attributes:
        position: Commanded pose, or joint positions `[J]`.
        velocity: `[6]` linear m/s and angular rad/s, or `[J]`.
    """

    def __init__(self, position: Position, limits: list[MotionLimit], dt: float) -> None:
        """Be at rest at a position; `limits` per axis, `dt` in s."""
        self._dt = dt
        samples = tuple(samples_for(limit.acceleration, limit.jerk, dt) for limit in limits)
        self._filter = JerkFilter(samples, dt)
        self.reset(position)

    @property
    def at_rest(self) -> bool:
        """Whether the motion has come to its end."""
        return self._filter.at_rest

    def reset(self, position: Position) -> None:
        """Be at rest at a position."""
        self.position: Any = position  # a Pose or an array, as the subclass moves
        self._filter.reset()
        self.velocity = self._filter.velocity

    def copy(self) -> Mover:
        """Return an independent copy."""
        twin = copy.copy(self)
        twin._filter = self._filter.copy()
        return twin

    @abstractmethod
    def step(self, setpoint: Setpoint) -> Clamps:
        """Move on towards a setpoint."""

    @abstractmethod
    def brake(self) -> None:
        """Move on, slowing down."""

    def _ahead(self) -> Any:
        """Return where the motion is before the jerk filter."""
        return moved_on(self.position, self._filter.lead)

    def _move(self, velocity: np.ndarray) -> None:
        self.velocity = self._filter.push(velocity)
        self.position = moved_on(self.position, self.velocity * self._dt)


class EndEffector(Mover):
    """An end effector with translation and rotation limits."""

    def __init__(self, limits: Limits, dt: float) -> None:
        self._linear = limits.linear or _UNUSED
        self._angular = limits.angular or _UNUSED
        self._translation = Translation(self._linear, limits.workspace or _ANYWHERE, dt)
        self._rotation = Rotation(self._angular, limits.orientation, dt)
        start = Pose(np.zeros(3), rotation.IDENTITY)
        super().__init__(start, [self._linear] * 3 + [self._angular] * 3, dt)

    def step(self, setpoint: Setpoint) -> Clamps:
        """Move on towards a setpoint."""
        before = self._filter.newest
        ahead = self._ahead()
        wanted = setpoint.velocity
        if isinstance(setpoint.target, Pose):
            wanted = wanted + self._correction(ahead, setpoint.target)
        linear, clamped = self._translation.next(ahead.position, before[:3], wanted[:3])
        angular, clamped_turn = self._rotation.next(ahead.orientation, before[3:], wanted[3:])
        self._move(np.concatenate([linear, angular]))
        return clamped | clamped_turn

    def brake(self) -> None:
        """Move on, slowing down."""
        before = self._filter.newest
        linear, angular = self._translation.brake(before[:3]), self._rotation.brake(before[3:])
        self._move(np.concatenate([linear, angular]))

    def _correction(self, here: Pose, target: Pose) -> np.ndarray:
        away = difference(target, here)
        linear, angular = self._paced(away[:3], self._linear), self._paced(away[3:], self._angular)
        return np.concatenate([linear, angular])

    def _paced(self, error: np.ndarray, limit: MotionLimit) -> np.ndarray:
        fastest = brakable_speed(norm(error), limit.acceleration, self._dt)
        return shortened(error * TRACKING_GAIN, fastest)


class JointGroup(Mover):
    """Joints with limits of their own."""

    def __init__(self, limits: tuple[JointLimit, ...], dt: float) -> None:
        self._joints = Joints(limits, dt)
        self._acceleration = np.array([limit.acceleration for limit in limits])
        super().__init__(np.zeros(len(limits)), list(limits), dt)

    def step(self, setpoint: Setpoint) -> Clamps:
        """Move on towards a setpoint."""
        ahead = self._ahead()
        wanted = setpoint.velocity
        if isinstance(setpoint.target, np.ndarray):
            away = setpoint.target - ahead
            fastest = brakable_speeds(np.abs(away), self._acceleration, self._dt)
            wanted = wanted + np.clip(away * TRACKING_GAIN, -fastest, fastest)
        velocity, clamps = self._joints.next(ahead, self._filter.newest, wanted)
        self._move(velocity)
        return clamps

    def brake(self) -> None:
        """Move on, slowing down."""
        self._move(self._joints.brake(self._filter.newest))


def make_mover(profile: RobotProfile) -> Mover:
    """Return what a profile's actions move."""
    dt = profile.execution.dt
    if profile.action.cartesian:
        return EndEffector(profile.limits, dt)
    return JointGroup(tuple(profile.limits.joints[name] for name in profile.action.joints), dt)


def samples_for(acceleration: float, jerk: float | None, dt: float) -> int:
    """Return how many velocities to average; 1 where the jerk is not limited."""
    return 1 if jerk is None else max(1, math.ceil(2.0 * acceleration / (jerk * dt) - 1e-9))


class JerkFilter:
    """Holds the last limited velocities, one number of samples per axis or one for all."""

    def __init__(self, samples: tuple[int, ...], dt: float) -> None:
        """Average `samples[i]` velocities of axis i."""
        longest = max(samples)
        age = np.arange(longest)[:, None]
        counts = np.array(samples)
        self._weights = np.where(age < counts, 1.0 / counts, 0.0)
        self._lead_weights = np.where(age < counts, dt * (counts - 1 - age) / counts, 0.0)
        self.reset()

    def reset(self) -> None:
        """Be at rest."""
        self._velocities = np.zeros_like(self._weights)  # [N, axes], newest first

    @property
    def newest(self) -> np.ndarray:
        """The last limited velocity, before averaging."""
        return self._velocities[0]

    @property
    def at_rest(self) -> bool:
        """Whether nothing is left to command; a mean of zero alone is not rest."""
        return bool((np.abs(self._velocities) <= _STILL).all())

    @property
    def velocity(self) -> np.ndarray:
        """The mean: what is commanded."""
        return (self._velocities * self._weights).sum(axis=0)

    @property
    def lead(self) -> np.ndarray:
        """How far the limited motion is ahead of what was commanded, per axis."""
        return (self._velocities * self._lead_weights).sum(axis=0)

    def push(self, velocity: np.ndarray) -> np.ndarray:
        """Take the next limited velocity and return what is commanded."""
        if len(self._velocities) > 1:
            self._velocities[1:] = self._velocities[:-1].copy()
        self._velocities[0] = velocity
        return self.velocity

    def copy(self) -> JerkFilter:
        """Return an independent copy."""
        twin = copy.copy(self)
        twin._velocities = self._velocities.copy()
        return twin
