# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The next velocity that keeps all limits: of a point in a box, a tool in a cone, joints in ranges.

Position and velocity are what was commanded last. In this order: position limit, velocity limit,
acceleration limit; then the result is checked once more to be brakable, because the three together
may not be. Braking straight ahead always is, so it is the fallback that cannot fail (braking.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import rotation
from .braking import brakable_speed, brakable_speeds, braked, braked_each, norm, shortened
from .limits import JointLimit, MotionLimit, OrientationCone, Workspace

_BISECTIONS = 12
_SLACK = 1e-9  # m or rad; rounding


class Clamps(NamedTuple):
    """Which limits changed the wanted velocity in one period."""

    position: bool = False
    velocity: bool = False
    acceleration: bool = False

    def __or__(self, other: Clamps) -> Clamps:  # type: ignore[override]
        """Join the clamps of two motions."""
        return Clamps(*(a or b for a, b in zip(self, other, strict=True)))


class Translation:
    """A point with bounded speed and acceleration (norms) in a box."""

    def __init__(self, limit: MotionLimit, box: Workspace, dt: float) -> None:
        self._limit = limit
        self._low, self._high = np.array(box.min), np.array(box.max)
        self._dt = dt

    def next(
        self, position: np.ndarray, velocity: np.ndarray, wanted: np.ndarray
    ) -> tuple[np.ndarray, Clamps]:
        """Return the velocity `[3]` for the next period, as close to `wanted` as allowed."""
        limit, dt = self._limit, self._dt
        inside = np.clip(
            wanted,
            -brakable_speeds(position - self._low, limit.acceleration, dt),
            brakable_speeds(self._high - position, limit.acceleration, dt),
        )
        slow = shortened(inside, limit.speed)
        smooth = _towards(velocity, slow, limit.acceleration * dt)
        chosen = _last_brakable(
            self.brake(velocity),
            self._along_walls(position, velocity, smooth),
            lambda candidate: self._stops_inside(position, candidate),
        )
        return chosen, Clamps(
            position=chosen is not smooth or not np.array_equal(inside, wanted),
            velocity=slow is not inside,
            acceleration=smooth is not slow,
        )

    def brake(self, velocity: np.ndarray) -> np.ndarray:
        """Return the velocity `[3]` for the next period when braking straight ahead."""
        return braked(velocity, self._limit.acceleration * self._dt)

    def _along_walls(
        self, position: np.ndarray, velocity: np.ndarray, wanted: np.ndarray
    ) -> np.ndarray:
        """Slow the axes that would hit a wall when braking straight ahead, keep the others."""
        if self._stops_inside(position, wanted):
            return wanted
        seconds = self._dt + norm(wanted) / (2.0 * self._limit.acceleration)
        slid = np.clip(
            wanted,
            np.minimum((self._low - position) / seconds, 0.0),
            np.maximum((self._high - position) / seconds, 0.0),
        )
        return _towards(velocity, slid, self._limit.acceleration * self._dt)

    def _stops_inside(self, position: np.ndarray, velocity: np.ndarray) -> bool:
        """Whether one period at `velocity` and braking straight ahead end inside the box."""
        seconds = self._dt + norm(velocity) / (2.0 * self._limit.acceleration)
        end = position + velocity * seconds
        over = (end > self._high + _SLACK) & (velocity > 0.0)
        under = (end < self._low - _SLACK) & (velocity < 0.0)
        return not bool((over | under).any())


class Rotation:
    """An orientation with bounded angular speed and acceleration (norms), in a cone if asked."""

    def __init__(self, limit: MotionLimit, cone: OrientationCone | None, dt: float) -> None:
        self._limit = limit
        self._dt = dt
        self._cone = None if cone is None else _Cone(cone)

    def next(
        self, orientation: np.ndarray, velocity: np.ndarray, wanted: np.ndarray
    ) -> tuple[np.ndarray, Clamps]:
        """Return the angular velocity `[3]` for the next period, close to `wanted`."""
        limit, dt = self._limit, self._dt
        inside = wanted if self._cone is None else self._kept_in_cone(orientation, wanted)
        slow = shortened(inside, limit.speed)
        smooth = _towards(velocity, slow, limit.acceleration * dt)
        chosen = smooth
        if self._cone is not None:
            chosen = _last_brakable(
                self.brake(velocity),
                smooth,
                lambda candidate: self._stops_inside(orientation, candidate),
            )
        return chosen, Clamps(
            position=chosen is not smooth or inside is not wanted,
            velocity=slow is not inside,
            acceleration=smooth is not slow,
        )

    def brake(self, velocity: np.ndarray) -> np.ndarray:
        """Return the angular velocity `[3]` when braking about the present axis."""
        return braked(velocity, self._limit.acceleration * self._dt)

    def _kept_in_cone(self, orientation: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Limit the part of `wanted` that leans the tool further away."""
        assert self._cone is not None
        tilt, outwards = self._cone.tilt(orientation)
        fastest = brakable_speed(self._cone.max_angle - tilt, self._limit.acceleration, self._dt)
        excess = float(wanted @ outwards) - fastest
        return wanted if excess <= 0.0 else wanted - outwards * excess

    def _stops_inside(self, orientation: np.ndarray, velocity: np.ndarray) -> bool:
        """Whether one period at `velocity` and braking about its axis stay inside the cone."""
        assert self._cone is not None
        speed = norm(velocity)
        seconds = self._dt + speed / (2.0 * self._limit.acceleration)
        now, _ = self._cone.tilt(orientation)
        # A tool that starts outside may go anywhere that is not further outside.
        allowed = max(self._cone.max_angle, now) + _SLACK
        return self._cone.largest_tilt(orientation, velocity, speed * seconds) <= allowed


class Joints:
    """Independent joints, each with a range, a speed and an acceleration."""

    def __init__(self, limits: tuple[JointLimit, ...], dt: float) -> None:
        self._low = np.array([limit.min + limit.margin for limit in limits])
        self._high = np.array([limit.max - limit.margin for limit in limits])
        self._speed = np.array([limit.speed for limit in limits])
        self._acceleration = np.array([limit.acceleration for limit in limits])
        self._dt = dt

    def next(
        self, position: np.ndarray, velocity: np.ndarray, wanted: np.ndarray
    ) -> tuple[np.ndarray, Clamps]:
        """Return the velocities `[J]` for the next period, as close to `wanted` as allowed."""
        inside = np.clip(
            wanted,
            -brakable_speeds(position - self._low, self._acceleration, self._dt),
            brakable_speeds(self._high - position, self._acceleration, self._dt),
        )
        slow = np.clip(inside, -self._speed, self._speed)
        change = self._acceleration * self._dt
        chosen = velocity + np.clip(slow - velocity, -change, change)
        return chosen, Clamps(
            not np.array_equal(inside, wanted),
            not np.array_equal(slow, inside),
            bool((np.abs(slow - velocity) > change).any()),
        )

    def brake(self, velocity: np.ndarray) -> np.ndarray:
        """Return the velocities `[J]` for the next period, each joint braking."""
        return braked_each(velocity, self._acceleration * self._dt)


class _Cone:
    """Geometry of an orientation cone."""

    def __init__(self, cone: OrientationCone) -> None:
        self.max_angle = cone.max_angle
        self._tool = np.array(cone.tool_axis) / norm(np.array(cone.tool_axis))
        self._direction = np.array(cone.direction) / norm(np.array(cone.direction))

    def tilt(self, orientation: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the angle, rad, and the axis `[3]` about which a turn increases it."""
        tool = rotation.rotate(orientation, self._tool)
        outwards = rotation.cross(self._direction, tool)
        sine = norm(outwards)
        angle = math.atan2(sine, float(self._direction @ tool))
        return angle, outwards / sine if sine > 1e-9 else np.zeros(3)

    def largest_tilt(self, orientation: np.ndarray, about: np.ndarray, angle: float) -> float:
        """Return the largest tilt, rad, while turning about an axis from 0 to `angle`."""
        length = norm(about)
        start, _ = self.tilt(orientation)
        if length == 0.0 or angle == 0.0:
            return start
        axis = about / length
        tool = rotation.rotate(orientation, self._tool)
        # cos(tilt) along the turn = fixed + c cos(phi) + s sin(phi); its minimum is at phi = low.
        fixed = float(axis @ tool) * float(axis @ self._direction)
        c = float(tool @ self._direction) - fixed
        s = float(rotation.cross(axis, tool) @ self._direction)
        low = (math.atan2(s, c) + math.pi) % (2.0 * math.pi)
        at = low if low <= angle else angle
        end = fixed + c * math.cos(at) + s * math.sin(at)
        return max(start, math.acos(min(max(end, -1.0), 1.0)))


def _towards(current: np.ndarray, wanted: np.ndarray, longest: float) -> np.ndarray:
    """Return `wanted` itself, or the point `longest` away from `current` on the way there."""
    change = wanted - current
    limited = shortened(change, longest)
    return wanted if limited is change else current + limited


def _last_brakable(
    brake: np.ndarray, wanted: np.ndarray, is_brakable: Callable[[np.ndarray], bool]
) -> np.ndarray:
    """Return the velocity on the way from `brake` to `wanted` that is still brakable."""
    if is_brakable(wanted):
        return wanted
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (
            (middle, high) if is_brakable(brake + (wanted - brake) * middle) else (low, middle)
        )
    return brake + (wanted - brake) * low
