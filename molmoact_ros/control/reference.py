# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a chunk asks for over time: a velocity, and where it is known a target, at any moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import rotation
from .mapping import ActionMapping
from .pose import Pose

Position = Pose | np.ndarray


@dataclass(frozen=True)
class Setpoint:
    """What is wanted at one moment.

    Attributes:
        velocity: ``[6]`` linear m/s and angular rad/s in the profile's frame, or ``[J]``.
        target: The position that belongs to it, None where only the velocity counts.
    """

    velocity: np.ndarray
    target: Position | None = None


@dataclass(frozen=True)
class Reference:
    """A chunk as a piecewise linear path.

    Attributes:
        period: s per row.
        velocities: ``[T, n]``, constant during each row.
        knots: ``T + 1`` positions at the ends of the rows, the first is the anchor; empty where
            only velocities count.
        gripper: ``[T]`` values of the gripper, or None.
    """

    period: float
    velocities: np.ndarray
    knots: tuple[Position, ...]
    gripper: np.ndarray | None

    def row(self, elapsed: float) -> int:
        """Return the row that is executed ``elapsed`` s after the start; may be past the last."""
        return max(0, int(elapsed / self.period + 1e-6))

    def sample(self, elapsed: float) -> Setpoint:
        """Return what is wanted ``elapsed`` s after the start; after the last row: rest there."""
        row = self.row(elapsed)
        if row >= len(self.velocities):
            target = self.knots[-1] if self.knots else None
            return Setpoint(np.zeros(self.velocities.shape[1]), target)
        if not self.knots:
            return Setpoint(self.velocities[row])
        share = min(max(elapsed / self.period - row, 0.0), 1.0)
        target = interpolated(self.knots[row], self.knots[row + 1], share)
        return Setpoint(self.velocities[row], target)


def interpolated(a: Position, b: Position, weight: float) -> Position:
    """Return the position that is ``weight`` (0..1) of the way from ``a`` to ``b``."""
    if isinstance(a, Pose) and isinstance(b, Pose):
        return Pose(
            a.position + (b.position - a.position) * weight,
            rotation.slerp(a.orientation, b.orientation, weight),
        )
    assert isinstance(a, np.ndarray) and isinstance(b, np.ndarray)
    return a + (b - a) * weight


def blended(old: Setpoint, new: Setpoint, weight: float) -> Setpoint:
    """Return the mix of two setpoints; ``weight`` 0 is ``old``, 1 is ``new``."""
    velocity = old.velocity + (new.velocity - old.velocity) * weight
    if old.target is None or new.target is None:
        return Setpoint(velocity, new.target)
    return Setpoint(velocity, interpolated(old.target, new.target, weight))


def build_reference(
    mapping: ActionMapping,
    rows: np.ndarray,
    gripper: np.ndarray | None,
    period: float,
    anchor: Position,
    with_targets: bool,
) -> Reference:
    """Turn mapped rows into a path.

    Args:
        mapping: Says what the rows mean.
        rows: ``[T, 6]`` or ``[T, J]`` from ``ActionMapping.motion``.
        gripper: ``[T]`` or None.
        period: s per row.
        anchor: Measured position at the chunk's stamp, where the deltas start.
        with_targets: Whether deltas are followed as positions too; absolute actions always are.
    """
    if isinstance(anchor, Pose):
        knots, steps = _pose_path(mapping, rows, anchor)
    else:
        knots, steps = _joint_path(mapping, rows, anchor)
    keep = with_targets or not mapping.is_delta
    return Reference(period, steps / period, knots if keep else (), gripper)


def _joint_path(
    mapping: ActionMapping, rows: np.ndarray, anchor: np.ndarray
) -> tuple[tuple[Position, ...], np.ndarray]:
    positions = anchor + np.cumsum(rows, axis=0) if mapping.is_delta else rows
    path = np.vstack([anchor, positions])
    return tuple(path), np.diff(path, axis=0)


def _pose_path(
    mapping: ActionMapping, rows: np.ndarray, anchor: Pose
) -> tuple[tuple[Position, ...], np.ndarray]:
    turn = rotation.from_rpy if mapping.rotation == "rpy" else rotation.from_rotation_vector
    knots, steps = [anchor], np.zeros_like(rows)
    for i, row in enumerate(rows):
        here, turned = knots[-1], turn(row[3:])
        if not mapping.is_delta:
            pose = Pose(row[:3], turned)
        elif mapping.frame == "tool":
            pose = Pose(
                here.position + rotation.rotate(here.orientation, row[:3]),
                rotation.normalised(rotation.multiply(here.orientation, turned)),
            )
        else:
            pose = Pose(
                here.position + row[:3],
                rotation.normalised(rotation.multiply(turned, here.orientation)),
            )
        steps[i, :3] = pose.position - here.position
        steps[i, 3:] = rotation.between(here.orientation, pose.orientation)
        knots.append(pose)
    return tuple(knots), steps


def moved_on(position: Position, change: np.ndarray) -> Position:
    """Return the position after a change: ``[6]`` m and rotation vector, or ``[J]``."""
    if not change.any():
        return position
    if isinstance(position, Pose):
        return Pose(
            position.position + change[:3], rotation.turned(position.orientation, change[3:])
        )
    return position + change
