# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether the robot follows: what was commanded against what is measured, at any speed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .braking import norm
from .limits import MotionLimit
from .pose import Position, difference
from .robot_profile import RobotProfile

# Shares of max_following_error. Measured motion within +- the first is noise. Commanded motion to
# and fro within +- the second does not count: a robot that lags hardly makes it.
_NOISE = 0.025
_STROKE = 0.2
_UNUSED = 1e6  # m or rad, for axes without a limit, which nothing commands


class _Group(NamedTuple):
    """Axes that have one limit together: position, orientation, or one joint."""

    name: str
    unit: str
    axes: slice
    limit: MotionLimit


class Following:
    """Compares commanded with measured motion. Nothing in it fades with time.

    Per axis (x, y, z, the parts of the rotation vector, or a joint) two things are watched.

    *The following error*, at most `max_following_error`. Position outputs: commanded minus
    measured position. Velocity outputs command no position: there it is the commanded minus the
    measured displacement since motion was enabled, minus an offset. By the displacements, a robot
    that stands still is seen after the same distance at any speed, and one that lags by L s is L
    times its speed away. The offset keeps drift and gain from adding up; it changes only where

    - the robot is beside the path that was commanded in the last `following_window` s, where no
      lag puts it, and moves towards that path: by 1 / share - 1 of what it moves. So nothing adds
      up for a robot that moves at least `min_following_share` of what is commanded, and the offset
      stays as it is for one that stands still or moves the other way;
    - nothing was commanded to an axis for a window, and it drifts, so slowly that a window does
      not suffice for `max_following_error`.

    *The share of the motion*: commanded displacement of which not `min_following_share` is
    measured adds up to `following_distance` at most: in one direction, and to and fro. This sees
    a robot that stands still while commanded positions start again and again from where it is, or
    while it is commanded to and fro near one place.
    """

    def __init__(self, profile: RobotProfile) -> None:
        execution, outputs = profile.execution, profile.outputs
        self._groups = _groups(profile)
        self._with_positions = outputs.commands_positions
        self._window = execution.following_window
        self._size = 6 if profile.action.cartesian else len(profile.action.joints)
        self._path_length = max(1, round(execution.following_window * execution.rate))
        self._most, self._share = np.full(self._size, _UNUSED), np.ones(self._size)
        for group in self._groups:
            self._most[group.axes] = group.limit.max_following_error
            self._share[group.axes] = group.limit.min_following_share
        self.reset()

    def reset(self) -> None:
        """Forget the past, e.g. when motion is enabled."""
        self._before: Position | None = None  # measured
        self._commanded = np.zeros(self._size)  # displacements since the reset
        self._measured = np.zeros(self._size)
        self._offset = np.zeros(self._size)
        self._path = np.zeros((self._path_length, self._size))  # of `_commanded`, a ring
        self._oldest = 0
        self._strokes = _Play(_STROKE * self._most)
        self._answers = _Play(_NOISE * self._most)
        self._owed = np.zeros(self._size)
        self._unanswered = np.zeros(self._size)

    def update(
        self, asked: np.ndarray, seconds: float, position: Position, measured: Position
    ) -> str | None:
        """Take what happened since the last call.

        Args:
            asked: Displacement that was commanded meanwhile, `[6]` m and rad, or `[J]`.
            seconds: How long that took, s.
            position: Commanded last.
            measured: Latest measured position.

        Returns:
            What the robot does not follow, None where all is well.
        """
        before, self._before = self._before, measured
        moved = np.zeros(self._size) if before is None else difference(measured, before)
        self._commanded += asked
        self._measured += moved
        answers = self._answers.update(self._measured)
        self._add_up(asked, answers / self._share)
        if self._with_positions:
            return self._fault(difference(position, measured))
        self._take_out(answers, moved, seconds)
        return self._fault(self._commanded - self._measured - self._offset)

    def _add_up(self, asked: np.ndarray, answered: np.ndarray) -> None:
        """Add what is asked for, and take away as much as the measured motion answers."""
        self._owed += asked
        towards = np.where(answered * self._owed > 0.0, np.abs(answered), 0.0)
        self._owed -= np.clip(self._owed, -towards, towards)
        unanswered = np.abs(self._strokes.update(self._commanded)) - np.abs(answered)
        self._unanswered = np.maximum(self._unanswered + unanswered, 0.0)

    def _take_out(self, answers: np.ndarray, moved: np.ndarray, seconds: float) -> None:
        """Bring the offset up to date."""
        self._path[self._oldest] = self._commanded
        self._oldest = (self._oldest + 1) % self._path_length
        low, high = self._path.min(axis=0), self._path.max(axis=0)
        fastest = self._most * (seconds / self._window)
        self._offset -= np.where(low == high, np.clip(moved, -fastest, fastest), 0.0)
        here = self._measured + self._offset
        beside = np.clip(here, low, high) - here
        allowed = np.where(answers * beside > 0.0, np.abs(answers) * (1.0 / self._share - 1.0), 0.0)
        self._offset += np.clip(beside, -allowed, allowed)

    def _fault(self, error: np.ndarray) -> str | None:
        for name, unit, axes, limit in self._groups:
            size = norm(error[axes])
            if not size <= limit.max_following_error:
                return (
                    f"{name} is {size:.3g} {unit} away from the command, "
                    f"max_following_error is {limit.max_following_error}"
                )
            owed = max(norm(self._owed[axes]), norm(self._unanswered[axes]))
            if owed > limit.longest_unanswered:
                return (
                    f"{name} moved less than {limit.min_following_share:.0%} "
                    f"(min_following_share) of what was commanded over "
                    f"{limit.longest_unanswered:.3g} {unit} (following_distance)"
                )
        return None


class _Play:
    """A follower with play, as in a worn gear: it moves only when it is pushed."""

    def __init__(self, play: np.ndarray) -> None:
        """Have `play` to either side."""
        self._play = play
        self._place = np.zeros(len(play))

    def update(self, displacement: np.ndarray) -> np.ndarray:
        """Return how far a displacement pushes it."""
        before = self._place
        self._place = np.clip(before, displacement - self._play, displacement + self._play)
        return self._place - before


def _groups(profile: RobotProfile) -> list[_Group]:
    limits = profile.limits
    if profile.action.cartesian:
        parts = (
            ("position", "m", slice(0, 3), limits.linear),
            ("orientation", "rad", slice(3, 6), limits.angular),
        )
        return [_Group(name, unit, axes, limit) for name, unit, axes, limit in parts if limit]
    return [
        _Group(f"joint {name}", "rad or m", slice(i, i + 1), limits.joints[name])
        for i, name in enumerate(profile.action.joints)
    ]
