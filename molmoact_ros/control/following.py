# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether the robot does what it is told."""

from __future__ import annotations

import numpy as np

from . import rotation
from .braking import norm
from .pose import Pose
from .profile import RobotProfile
from .reference import Position

_MEMORY = 1.0  # s over which a robot that is told velocities may fall behind


class FollowingError:
    """Distance between what was commanded and what is measured, against its limits.

    Where positions are commanded it is their distance to the measured ones. Where velocities are
    commanded there is no such position: it is how much of the commanded motion of the last second
    was not measured (a leaky integral, so that drift does not add up).
    """

    def __init__(self, profile: RobotProfile) -> None:
        self._positions = profile.outputs.commands_positions
        self._dt = profile.execution.dt
        limits = profile.limits
        if profile.action.cartesian:
            groups = (("position", "m", limits.linear), ("orientation", "rad", limits.angular))
            self._limits = [
                (name, unit, limit.max_following_error if limit else np.inf)
                for name, unit, limit in groups
            ]
        else:
            self._limits = [
                (f"joint {name}", "rad or m", limits.joints[name].max_following_error)
                for name in profile.action.joints
            ]
        self.reset()

    def reset(self) -> None:
        """Forget the past, e.g. when motion is enabled."""
        self._behind: np.ndarray | None = None
        self._before: Position | None = None

    def update(self, position: Position, velocity: np.ndarray, measured: Position) -> str | None:
        """Take one control period.

        Args:
            position: Commanded.
            velocity: Commanded, ``[6]`` or ``[J]``.
            measured: Latest measured position.

        Returns:
            What is too far away, None where all is well.
        """
        if self._positions:
            error = _difference(position, measured)
        else:
            error = self._fallen_behind(velocity, measured)
        sizes = (
            np.array([norm(error[:3]), norm(error[3:])])
            if isinstance(measured, Pose)
            else np.abs(error)
        )
        for size, (name, unit, limit) in zip(sizes, self._limits, strict=True):
            if not size <= limit:
                return (
                    f"{name} is {size:.3g} {unit} away from the command, "
                    f"max_following_error is {limit}"
                )
        return None

    def _fallen_behind(self, velocity: np.ndarray, measured: Position) -> np.ndarray:
        if self._behind is None or self._before is None:
            self._behind, self._before = np.zeros(len(velocity)), measured
        self._behind = self._behind * (1.0 - self._dt / _MEMORY) + velocity * self._dt
        if measured is not self._before:
            self._behind = self._behind - _difference(measured, self._before)
            self._before = measured
        return self._behind


def _difference(a: Position, b: Position) -> np.ndarray:
    """Return a minus b: ``[6]`` m and rotation vector, or ``[J]``."""
    if isinstance(a, Pose) and isinstance(b, Pose):
        turn = rotation.between(b.orientation, a.orientation)
        return np.concatenate([a.position - b.position, turn])
    assert isinstance(a, np.ndarray) and isinstance(b, np.ndarray)
    return a - b
