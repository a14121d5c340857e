# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where a robot is and how fast it goes: an end effector's pose, or the positions of joints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from . import rotation


@dataclass(frozen=True)
class Pose:
    """A pose in the profile's frame.

    Attributes:
        position: `[3]`, m.
        orientation: `[4]` unit quaternion (x, y, z, w).
    """

    position: np.ndarray
    orientation: np.ndarray


Position = Pose | np.ndarray  # of an end effector, or of joints [J], rad or m


class MotionState(NamedTuple):
    """A velocity, `[6]` linear m/s and angular rad/s or `[J]`, and the position it belongs to."""

    velocity: np.ndarray
    position: Position


def interpolated(a: Position, b: Position, weight: float) -> Position:
    """Return the position that is `weight` (0..1) of the way from `a` to `b`."""
    if isinstance(a, Pose) and isinstance(b, Pose):
        return Pose(
            a.position + (b.position - a.position) * weight,
            rotation.slerp(a.orientation, b.orientation, weight),
        )
    assert isinstance(a, np.ndarray) and isinstance(b, np.ndarray)
    return a + (b - a) * weight


def moved_on(position: Position, change: np.ndarray) -> Position:
    """Return the position after a change: `[6]` m and rotation vector, or `[J]`."""
    if not change.any():
        return position
    if isinstance(position, Pose):
        orientation = rotation.turned(position.orientation, change[3:])
        return Pose(position.position + change[:3], orientation)
    return position + change


def difference(a: Position, b: Position) -> np.ndarray:
    """Return a minus b: `[6]` m and rotation vector, or `[J]`."""
    if isinstance(a, Pose) and isinstance(b, Pose):
        turn = rotation.between(b.orientation, a.orientation)
        return np.concatenate([a.position - b.position, turn])
    assert isinstance(a, np.ndarray) and isinstance(b, np.ndarray)
    return a - b
