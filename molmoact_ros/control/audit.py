# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A second look at every command, before it goes out, by code that had no part in making it."""

from __future__ import annotations

import numpy as np

from .limits import MotionLimit
from .pose import Pose
from .reference import Position
from .robot_profile import RobotProfile
from .rotation import rotate

_ROUNDING = 1e-6  # relative, and absolute in SI units


class Audit:
    """Checks one command after the other against the limits of a profile."""

    def __init__(self, profile: RobotProfile) -> None:
        self._profile = profile
        # Where only velocities are commanded, the position is the robot's own, not a command.
        self._with_position = profile.outputs.commands_positions
        self._joints = [profile.limits.joints[name] for name in profile.action.joints]

    def fault(
        self,
        before: np.ndarray,
        velocity: np.ndarray,
        position: Position,
        position_before: Position,
        seconds: float,
    ) -> str | None:
        """Return which limit a command violates, None where it keeps all.

        Args:
            before: Velocity commanded before, ``[6]`` or ``[J]``.
            velocity: Velocity commanded now.
            position: Position commanded now.
            position_before: Position commanded before.
            seconds: Between the two, s.
        """
        if not np.isfinite(velocity).all() or not _is_finite(position):
            return "a command is not finite"
        if isinstance(position, Pose):
            assert isinstance(position_before, Pose)
            return (
                self._norm_fault(
                    "linear", self._profile.limits.linear, before[:3], velocity[:3], seconds
                )
                or self._norm_fault(
                    "angular", self._profile.limits.angular, before[3:], velocity[3:], seconds
                )
                or (self._place_fault(position, position_before) if self._with_position else None)
            )
        assert not isinstance(position_before, Pose)
        return self._joint_fault(before, velocity, position, position_before, seconds)

    def _norm_fault(
        self,
        name: str,
        limit: MotionLimit | None,
        before: np.ndarray,
        now: np.ndarray,
        seconds: float,
    ) -> str | None:
        speed, change = float(np.linalg.norm(now)), float(np.linalg.norm(now - before))
        if limit is None:
            return f"{name} motion without limits" if speed > 0.0 else None
        if _exceeds(speed, limit.speed):
            return f"{name} speed {speed:.6g} above {limit.speed}"
        if _exceeds(change, limit.acceleration * seconds):
            rate = f"{change:.6g} in {seconds:.6g} s"
            return f"{name} acceleration: {rate} is above {limit.acceleration}"
        return None

    def _place_fault(self, pose: Pose, before: Pose) -> str | None:
        box, cone = self._profile.limits.workspace, self._profile.limits.orientation
        if box is not None:
            low, high = np.array(box.min), np.array(box.max)
            out = np.maximum(low - pose.position, pose.position - high)
            was = np.maximum(low - before.position, before.position - high)
            # An arm that starts outside may only come closer.
            if (out > np.maximum(was, 0.0) + _ROUNDING).any():
                return f"position {pose.position} outside the workspace"
        if cone is not None:
            angles = [_lean(p, cone.tool_axis, cone.direction) for p in (pose, before)]
            if angles[0] > max(angles[1], cone.max_angle) + 1e-5:
                return f"tool leans by {angles[0]:.6g} rad, more than {cone.max_angle}"
        return None

    def _joint_fault(
        self,
        before: np.ndarray,
        velocity: np.ndarray,
        position: np.ndarray,
        position_before: np.ndarray,
        seconds: float,
    ) -> str | None:
        for i, (name, limit) in enumerate(
            zip(self._profile.action.joints, self._joints, strict=True)
        ):
            if _exceeds(abs(velocity[i]), limit.speed):
                return f"joint {name}: speed {velocity[i]:.6g} above {limit.speed}"
            change = abs(velocity[i] - before[i])
            if _exceeds(change, limit.acceleration * seconds):
                rate = f"{change:.6g} in {seconds:.6g} s"
                return f"joint {name}: acceleration: {rate} is above {limit.acceleration}"
            low, high = limit.min + limit.margin, limit.max - limit.margin
            out = max(low - position[i], position[i] - high)
            was = max(low - position_before[i], position_before[i] - high, 0.0)
            if self._with_position and out > was + _ROUNDING:
                return f"joint {name}: position {position[i]:.6g} outside its range"
        return None


def _exceeds(value: float, limit: float) -> bool:
    return not value <= limit * (1.0 + _ROUNDING) + _ROUNDING * 1e-3


def _is_finite(position: Position) -> bool:
    if isinstance(position, Pose):
        return bool(
            np.isfinite(position.position).all() and np.isfinite(position.orientation).all()
        )
    return bool(np.isfinite(position).all())


def _lean(pose: Pose, tool_axis: tuple[float, ...], direction: tuple[float, ...]) -> float:
    tool, wanted = rotate(pose.orientation, np.array(tool_axis)), np.array(direction)
    cosine = tool @ wanted / (np.linalg.norm(tool) * np.linalg.norm(wanted))
    return float(np.arccos(np.clip(cosine, -1.0, 1.0)))
