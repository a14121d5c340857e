# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A second check of every command before it is published, by code that had no part in making it."""

from __future__ import annotations

import numpy as np

from .limits import MotionLimit
from .pose import MotionState, Pose
from .robot_profile import RobotProfile
from .rotation import rotate

_ROUNDING = 1e-6  # relative, and absolute in SI units


def command_fault(
    profile: RobotProfile, before: MotionState, now: MotionState, seconds: float
) -> str | None:
    """Return which limit a command violates, None where it keeps all.

    Args:
        profile: Has the limits.
        before: Commanded before.
        now: Commanded now.
        seconds: Between the two, s.
    """
    if not np.isfinite(now.velocity).all() or not _is_finite(now.position):
        return "a command is not finite"
    if profile.action.cartesian:
        return _end_effector_fault(profile, before, now, seconds)
    return _joint_fault(profile, before, now, seconds)


def _end_effector_fault(
    profile: RobotProfile, before: MotionState, now: MotionState, seconds: float
) -> str | None:
    limits = profile.limits
    fault = _motion_fault(
        "linear", limits.linear, before.velocity[:3], now.velocity[:3], seconds
    ) or _motion_fault("angular", limits.angular, before.velocity[3:], now.velocity[3:], seconds)
    # Where only velocities are commanded, the position is the robot's own, not a command.
    if fault is not None or not profile.outputs.commands_positions:
        return fault
    pose, last = now.position, before.position
    assert isinstance(pose, Pose) and isinstance(last, Pose)
    if limits.workspace is not None:
        low, high = np.array(limits.workspace.min), np.array(limits.workspace.max)
        out = np.maximum(low - pose.position, pose.position - high)
        was = np.maximum(low - last.position, last.position - high)
        # An arm that starts outside may only come closer.
        if (out > np.maximum(was, 0.0) + _ROUNDING).any():
            return f"position {pose.position} outside the workspace"
    if limits.orientation is not None:
        cone = limits.orientation
        angle, was_angle = (_lean(p, cone.tool_axis, cone.direction) for p in (pose, last))
        if angle > max(was_angle, cone.max_angle) + 1e-5:
            return f"tool leans by {angle:.6g} rad, more than {cone.max_angle}"
    return None


def _joint_fault(
    profile: RobotProfile, before: MotionState, now: MotionState, seconds: float
) -> str | None:
    assert isinstance(now.position, np.ndarray) and isinstance(before.position, np.ndarray)
    for i, name in enumerate(profile.action.joints):
        limit, joint = profile.limits.joints[name], f"joint {name}:"
        part = slice(i, i + 1)
        fault = _motion_fault(joint, limit, before.velocity[part], now.velocity[part], seconds)
        if fault is not None:
            return fault
        low, high = limit.min + limit.margin, limit.max - limit.margin
        out = max(low - now.position[i], now.position[i] - high)
        was = max(low - before.position[i], before.position[i] - high, 0.0)
        if profile.outputs.commands_positions and out > was + _ROUNDING:
            return f"{joint} position {now.position[i]:.6g} outside its range"
    return None


def _motion_fault(
    name: str, limit: MotionLimit | None, before: np.ndarray, now: np.ndarray, seconds: float
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


def _exceeds(value: float, limit: float) -> bool:
    return not value <= limit * (1.0 + _ROUNDING) + _ROUNDING * 1e-3


def _is_finite(position: Pose | np.ndarray) -> bool:
    parts = (position.position, position.orientation) if isinstance(position, Pose) else (position,)
    return all(bool(np.isfinite(part).all()) for part in parts)


def _lean(pose: Pose, tool_axis: tuple[float, ...], direction: tuple[float, ...]) -> float:
    tool, wanted = rotate(pose.orientation, np.array(tool_axis)), np.array(direction)
    cosine = tool @ wanted / (np.linalg.norm(tool) * np.linalg.norm(wanted))
    return float(np.arccos(np.clip(cosine, -1.0, 1.0)))
