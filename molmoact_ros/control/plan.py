# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From a chunk that may be executed to a setpoint at any moment.

`make_plan` maps its rows to the robot's axes, anchors them at the measured position, checks the
size of each step and puts them on the clock. `Schedule` blends each plan into the next.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from . import rotation
from .chunk import ActionChunk, Refusal
from .mapping import ActionMapping
from .pose import Pose, Position, interpolated
from .robot_profile import RobotProfile

_ABSURD = 1e3  # m or rad; nothing larger is even computed with
_GRIPPER = (-1.0, 2.0)  # 0 open .. 1 closed, and one whole way beyond either end


@dataclass(frozen=True)
class Setpoint:
    """What is wanted at one moment.

    Attributes:
        velocity: `[6]` linear m/s and angular rad/s in the profile's frame, or `[J]`.
        target: The position that belongs to it, None where only the velocity counts.
    """

    velocity: np.ndarray
    target: Position | None = None


@dataclass(frozen=True)
class Plan:
    """One chunk on the clock, as a piecewise linear path.

    Attributes:
        chunk: As it was received.
        period: s per row.
        velocities: `[T, n]`, constant during each row.
        knots: `T + 1` positions at the ends of the rows, the first is the anchor; empty where
            only velocities count.
        gripper: `[T]` values of the gripper, 0 open .. 1 closed, or None.
        origin: s on the clock at which its first row starts (or would have started).
        last_row: The last row that is executed.
    """

    chunk: ActionChunk
    period: float
    velocities: np.ndarray
    knots: tuple[Position, ...]
    gripper: np.ndarray | None
    origin: float
    last_row: int

    @property
    def end(self) -> float:
        """When the last row is over, s on the clock."""
        return self.origin + (self.last_row + 1) * self.period

    def row(self, now: float) -> int:
        """Return the row that is executed now."""
        return min(_rows_in(now - self.origin, self.period), self.last_row)

    def rows_remaining(self, now: float) -> int:
        """Return the rows that are not over yet."""
        return max(0, self.last_row + 1 - _rows_in(now - self.origin, self.period))

    def sample(self, now: float) -> Setpoint:
        """Return what the rows ask for now, also those after `last_row`; at their end: rest."""
        elapsed = now - self.origin
        row = _rows_in(elapsed, self.period)
        if row >= len(self.velocities):
            return self.rest_after(len(self.velocities) - 1)
        if not self.knots:
            return Setpoint(self.velocities[row])
        share = min(max(elapsed / self.period - row, 0.0), 1.0)
        target = interpolated(self.knots[row], self.knots[row + 1], share)
        return Setpoint(self.velocities[row], target)

    def rest_after(self, row: int) -> Setpoint:
        """Return rest at the end of a row."""
        rest = np.zeros_like(self.velocities[row])
        return Setpoint(rest, self.knots[row + 1] if self.knots else None)


def make_plan(
    chunk: ActionChunk, profile: RobotProfile, anchor: Position, elapsed: float, now: float
) -> Plan:
    """Put a chunk on the clock.

    Args:
        chunk: Well formed and meant for this robot.
        profile: Of the robot.
        anchor: Measured position at the chunk's stamp, where the deltas start.
        elapsed: s of motion since that stamp: that much of the chunk is already done.
        now: s.

    Raises:
        Refusal: A step is too large, or all rows are already done.
    """
    mapping, execution = profile.action, profile.execution
    with np.errstate(over="ignore"):  # what is infinite then is refused below
        rows, gripper = mapping.motion(chunk), mapping.gripper_rows(chunk)
    if not (np.abs(rows) < _ABSURD).all():
        raise Refusal("refused_step_size", f"it asks for more than {_ABSURD:g} m or rad")
    if gripper is not None and not ((gripper >= _GRIPPER[0]) & (gripper <= _GRIPPER[1])).all():
        value = max(gripper, key=abs)
        reason = f"its gripper goes to {value:g}, 0 is open and 1 is closed"
        raise Refusal("refused_gripper", reason)
    if isinstance(anchor, Pose):
        knots, steps = _pose_path(mapping, rows, anchor)
    else:
        knots, steps = _joint_path(mapping, rows, anchor)
    _check_steps(steps, profile)
    period = execution.control_period or chunk.step_period
    first = _rows_in(elapsed, period)
    if first >= len(rows):
        raise Refusal("refused_late", f"all its {len(rows)} rows were over before it came")
    # Absolute actions are always followed as positions, deltas where positions are commanded.
    keep = profile.outputs.commands_positions or not mapping.is_delta
    return Plan(
        chunk=chunk,
        period=period,
        velocities=steps / period,
        knots=knots if keep else (),
        gripper=gripper,
        origin=now - elapsed,
        last_row=min(first + execution.execute_steps, len(rows)) - 1,
    )


def _rows_in(elapsed: float, period: float) -> int:
    """Return how many rows are over `elapsed` s after the start."""
    return max(0, int(elapsed / period + 1e-6))


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
        here, move, turned = knots[-1], row[:3], turn(row[3:])
        if not mapping.is_delta:
            pose = Pose(move, turned)
        elif mapping.frame == "tool":
            orientation = rotation.normalised(rotation.multiply(here.orientation, turned))
            pose = Pose(here.position + rotation.rotate(here.orientation, move), orientation)
        else:
            orientation = rotation.normalised(rotation.multiply(turned, here.orientation))
            pose = Pose(here.position + move, orientation)
        steps[i, :3] = pose.position - here.position
        steps[i, 3:] = rotation.between(here.orientation, pose.orientation)
        knots.append(pose)
    return tuple(knots), steps


def _check_steps(steps: np.ndarray, profile: RobotProfile) -> None:
    """Refuse steps beyond the `max_step` of their limits, and those that have no limit."""
    limits = profile.limits
    groups: list[tuple[str, float, np.ndarray]]
    if profile.action.cartesian:
        parts = (("translation", limits.linear), ("rotation", limits.angular))
        groups = [
            (name, limit.max_step if limit else 0.0, steps[:, 3 * i : 3 * i + 3])
            for i, (name, limit) in enumerate(parts)
        ]
    else:
        groups = [
            (name, limits.joints[name].max_step, steps[:, i : i + 1])
            for i, name in enumerate(profile.action.joints)
        ]
    for name, largest, part in groups:
        sizes = np.linalg.norm(part, axis=1)
        row = int((sizes > largest + 1e-9).argmax())
        if sizes[row] > largest + 1e-9:
            reason = f"{name} of row {row} is {sizes[row]:.3g}, max_step is {largest}"
            raise Refusal("refused_step_size", reason)


class Schedule:
    """The plan that is executed and the one that it fades in over."""

    def __init__(self, blend_steps: float, memory: float) -> None:
        """Blend over this many rows; remember motion for `memory` s."""
        self._blend_steps = blend_steps
        self._memory = memory
        self._moved: deque[tuple[float, float]] = deque()
        self.clear()

    def clear(self) -> None:
        """Have no plan."""
        self.plan: Plan | None = None
        self._before: Plan | None = None
        self._replaced_at = 0.0

    def forget_time(self) -> None:
        """Drop the plan and the memory of motion, e.g. after a jump of the clock."""
        self.clear()
        self._moved.clear()

    def replace(self, plan: Plan, now: float) -> None:
        """Execute a newer plan from now on."""
        is_over = self.plan is None or now >= self.plan.end
        self._before = None if is_over else self.plan
        self._replaced_at, self.plan = now, plan

    def sample(self, now: float) -> Setpoint:
        """Return what is wanted now; there must be a plan."""
        assert self.plan is not None
        if now >= self.plan.end:
            return self.plan.rest_after(self.plan.last_row)
        wanted = self.plan.sample(now)
        duration = self._blend_steps * self.plan.period
        since = now - self._replaced_at
        if self._before is None or since >= duration:
            return wanted
        old, weight = self._before.sample(now), since / duration
        target = wanted.target
        if old.target is not None and target is not None:
            target = interpolated(old.target, target, weight)
        return Setpoint(old.velocity + (wanted.velocity - old.velocity) * weight, target)

    def note_motion(self, start: float, end: float) -> None:
        """Remember that the plan was followed from `start` to `end`, s on the clock."""
        if self.plan is not None:
            end = min(end, self.plan.end)
        if end <= start:
            return
        if self._moved and start - self._moved[-1][1] < 1e-6:
            start = self._moved.pop()[0]
        self._moved.append((start, end))
        while self._moved[0][1] < end - self._memory:
            self._moved.popleft()

    def motion_since(self, stamp: float) -> float:
        """Return for how long rows were executed since `stamp`, s."""
        return sum(max(0.0, end - max(start, stamp)) for start, end in self._moved)
