# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the executor moves: an end effector or a group of joints, behind one small interface."""

from __future__ import annotations

import copy
from typing import Any, Protocol, TypeVar

import numpy as np

from . import rotation
from .braking import brakable_speed, brakable_speeds, norm, shortened
from .jerk import JerkFilter, samples_for
from .limits import JointLimit, Limits, MotionLimit, Workspace
from .motion import Clamps, Joints, Rotation, Translation
from .pose import Pose
from .reference import Setpoint
from .robot_profile import RobotProfile

TRACKING_GAIN = 5.0  # 1/s; share of a position error that is made up per second
# Stand-ins for axes that the action does not use: nothing ever asks them to move.
_UNUSED = MotionLimit(speed=1.0, acceleration=1.0, max_step=1.0, max_following_error=1.0)
_ANYWHERE = Workspace((-100.0,) * 3, (100.0,) * 3)

P = TypeVar("P")  # Pose of an end effector, or joint positions [J]


class Mover(Protocol[P]):
    """Holds the last command and moves it on within the limits, one control period at a time.

    Attributes:
        position: Commanded pose, or joint positions ``[J]``.
        velocity: ``[6]`` linear m/s and angular rad/s, or ``[J]``.
    """

    position: P
    velocity: np.ndarray

    @property
    def at_rest(self) -> bool:
        """Whether the motion has come to its end."""

    def reset(self, position: P) -> None:
        """Be at rest at a position."""

    def step(self, setpoint: Setpoint) -> Clamps:
        """Move on towards a setpoint."""

    def brake(self) -> None:
        """Move on, slowing down."""

    def copy(self) -> Mover[P]:
        """Return an independent copy."""


class EndEffector:
    """An end effector with translation and rotation limits."""

    def __init__(self, limits: Limits, dt: float) -> None:
        self._linear = limits.linear or _UNUSED
        self._angular = limits.angular or _UNUSED
        self._dt = dt
        self._translation = Translation(self._linear, limits.workspace or _ANYWHERE, dt)
        self._rotation = Rotation(self._angular, limits.orientation, dt)
        linear, angular = (
            samples_for(limit.acceleration, limit.jerk, dt)
            for limit in (self._linear, self._angular)
        )
        self._filter = JerkFilter((linear,) * 3 + (angular,) * 3, dt)
        self.reset(Pose(np.zeros(3), rotation.IDENTITY))

    @property
    def at_rest(self) -> bool:
        """Whether the motion has come to its end."""
        return self._filter.at_rest

    def reset(self, position: Pose) -> None:
        """Be at rest at a pose."""
        self.position = position
        self.velocity = np.zeros(6)
        self._filter.reset()

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
        self._move(
            np.concatenate([self._translation.brake(before[:3]), self._rotation.brake(before[3:])])
        )

    def copy(self) -> EndEffector:
        """Return an independent copy."""
        twin = copy.copy(self)
        twin._filter = self._filter.copy()
        return twin

    def _ahead(self) -> Pose:
        """Return where the motion is before the jerk filter."""
        lead = self._filter.lead
        here = self.position
        if not lead.any():
            return here
        return Pose(here.position + lead[:3], rotation.turned(here.orientation, lead[3:]))

    def _move(self, velocity: np.ndarray) -> None:
        self.velocity = self._filter.push(velocity)
        change = self.velocity * self._dt
        orientation = self.position.orientation
        if change[3:].any():
            orientation = rotation.turned(orientation, change[3:])
        self.position = Pose(self.position.position + change[:3], orientation)

    def _correction(self, here: Pose, target: Pose) -> np.ndarray:
        away = target.position - here.position
        turn = rotation.between(here.orientation, target.orientation)
        return np.concatenate([self._paced(away, self._linear), self._paced(turn, self._angular)])

    def _paced(self, error: np.ndarray, limit: MotionLimit) -> np.ndarray:
        fastest = brakable_speed(norm(error), limit.acceleration, self._dt)
        return shortened(error * TRACKING_GAIN, fastest)


class JointGroup:
    """Joints with limits of their own."""

    def __init__(self, limits: tuple[JointLimit, ...], dt: float) -> None:
        self._joints = Joints(limits, dt)
        self._acceleration = np.array([limit.acceleration for limit in limits])
        self._dt = dt
        self._filter = JerkFilter(
            tuple(samples_for(limit.acceleration, limit.jerk, dt) for limit in limits), dt
        )
        self.reset(np.zeros(len(limits)))

    @property
    def at_rest(self) -> bool:
        """Whether the motion has come to its end."""
        return self._filter.at_rest

    def reset(self, position: np.ndarray) -> None:
        """Be at rest at joint positions ``[J]``."""
        self.position = position
        self.velocity = np.zeros(len(position))
        self._filter.reset()

    def step(self, setpoint: Setpoint) -> Clamps:
        """Move on towards a setpoint."""
        ahead = self.position + self._filter.lead
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

    def copy(self) -> JointGroup:
        """Return an independent copy."""
        twin = copy.copy(self)
        twin._filter = self._filter.copy()
        return twin

    def _move(self, velocity: np.ndarray) -> None:
        self.velocity = self._filter.push(velocity)
        self.position = self.position + self.velocity * self._dt


def make_mover(profile: RobotProfile) -> Mover[Any]:
    """Return what a profile's actions move."""
    dt = profile.execution.dt
    if profile.action.cartesian:
        return EndEffector(profile.limits, dt)
    limits = tuple(profile.limits.joints[name] for name in profile.action.joints)
    return JointGroup(limits, dt)
