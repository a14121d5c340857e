# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the executor moves: an end effector or a group of joints, behind one small interface."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import numpy as np

from . import rotation
from .braking import brakable_speed, brakable_speeds, norm, shortened
from .limits import JointLimit, Limits, MotionLimit, Workspace
from .motion import Clamps, Joints, Rotation, Translation
from .pose import Pose
from .reference import Setpoint

TRACKING_GAIN = 5.0  # 1/s; share of a position error that is made up per second
_STILL = 1e-12
# Stand-ins for axes that the action does not use: nothing ever asks them to move.
_UNUSED = MotionLimit(speed=1.0, acceleration=1.0, max_step=1.0, max_following_error=1.0)
_ANYWHERE = Workspace((-1e6,) * 3, (1e6,) * 3)


P = TypeVar("P")  # Pose of an end effector, or joint positions [J]


class Mover(Protocol[P]):
    """Holds the last command (position and velocity) and moves it on within the limits."""

    @property
    def velocity(self) -> np.ndarray:
        """``[6]`` linear m/s and angular rad/s, or ``[J]`` joint velocities."""

    @property
    def position(self) -> P:
        """Commanded pose, or joint positions ``[J]``."""

    def reset(self, position: P) -> None:
        """Be at rest at a position."""

    def anchor(self, position: P) -> None:
        """Take over a measured position and keep the velocity."""

    def step(self, setpoint: Setpoint) -> Clamps:
        """Move on by one period towards a setpoint."""

    def brake(self) -> None:
        """Move on by one period, slowing down."""

    def error(self, position: P) -> np.ndarray:
        """Return commanded minus given position: ``[2]`` m and rad, or ``[J]``; all >= 0."""


class EndEffector:
    """An end effector with translation and rotation limits."""

    def __init__(self, limits: Limits, dt: float) -> None:
        self._linear = limits.linear or _UNUSED
        self._angular = limits.angular or _UNUSED
        self._dt = dt
        self._translation = Translation(self._linear, limits.workspace or _ANYWHERE, dt)
        self._rotation = Rotation(self._angular, limits.orientation, dt)

    @property
    def velocity(self) -> np.ndarray:
        """``[6]`` m/s and rad/s."""
        return np.concatenate([self._translation.velocity, self._rotation.velocity])

    @property
    def position(self) -> Pose:
        """Commanded pose."""
        return Pose(self._translation.position, self._rotation.position)

    def reset(self, position: Pose) -> None:
        """Be at rest at a pose."""
        self._translation.reset(position.position)
        self._rotation.reset(position.orientation)

    def anchor(self, position: Pose) -> None:
        """Take over a measured pose and keep the velocity."""
        self._translation.position = position.position
        self._rotation.position = position.orientation

    def step(self, setpoint: Setpoint) -> Clamps:
        """Move on by one period towards a setpoint."""
        linear, angular = setpoint.velocity[:3], setpoint.velocity[3:]
        if isinstance(setpoint.target, Pose):
            here = self.position
            away = setpoint.target.position - here.position
            linear = linear + self._correction(away, self._linear)
            turn = rotation.between(here.orientation, setpoint.target.orientation)
            angular = angular + self._correction(turn, self._angular)
        return self._translation.step(linear) | self._rotation.step(angular)

    def brake(self) -> None:
        """Move on by one period, slowing down."""
        self._translation.brake()
        self._rotation.brake()

    def error(self, position: Pose) -> np.ndarray:
        """Return the distance, m, and the angle, rad, to a pose ``[2]``."""
        here = self.position
        turn = rotation.between(position.orientation, here.orientation)
        return np.array([norm(here.position - position.position), norm(turn)])

    def _correction(self, error: np.ndarray, limit: MotionLimit) -> np.ndarray:
        fastest = brakable_speed(norm(error), limit.acceleration, self._dt)
        return shortened(error * TRACKING_GAIN, fastest)


class JointGroup:
    """Joints with limits of their own."""

    def __init__(self, limits: tuple[JointLimit, ...], dt: float) -> None:
        self._joints = Joints(limits, dt)
        self._acceleration = np.array([limit.acceleration for limit in limits])
        self._dt = dt

    @property
    def velocity(self) -> np.ndarray:
        """``[J]`` rad/s or m/s."""
        return self._joints.velocity

    @property
    def position(self) -> np.ndarray:
        """Commanded positions ``[J]``."""
        return self._joints.position

    def reset(self, position: np.ndarray) -> None:
        """Be at rest at joint positions ``[J]``."""
        self._joints.reset(position)

    def anchor(self, position: np.ndarray) -> None:
        """Take over measured positions and keep the velocities."""
        self._joints.position = position

    def step(self, setpoint: Setpoint) -> Clamps:
        """Move on by one period towards a setpoint."""
        wanted = setpoint.velocity
        if isinstance(setpoint.target, np.ndarray):
            away = setpoint.target - self._joints.position
            fastest = brakable_speeds(np.abs(away), self._acceleration, self._dt)
            wanted = wanted + np.clip(away * TRACKING_GAIN, -fastest, fastest)
        return self._joints.step(wanted)

    def brake(self) -> None:
        """Move on by one period, slowing down."""
        self._joints.brake()

    def error(self, position: np.ndarray) -> np.ndarray:
        """Return the distance of each joint ``[J]``."""
        return np.abs(self._joints.position - position)


def at_rest(mover: Mover[Any]) -> bool:
    """Whether the last command was zero velocity."""
    return bool(np.all(np.abs(mover.velocity) <= _STILL))
