# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From the columns of a chunk to the axes and the gripper of a robot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from molmoact_ros.yaml_config import require, require_choice, require_range

from .chunk import ACTION_SPACES, EE_DELTA, EE_POSE, JOINT_DELTA, ActionChunk

_LARGEST = 1e6  # of factors and of numbers in a driver's or a data set's own unit
CARTESIAN_AXES = ("x", "y", "z", "roll", "pitch", "yaw")


@dataclass(frozen=True)
class AxisSource:
    """Where the value of one robot axis comes from: `scale * column + offset`.

    Attributes:
        column: Name of the chunk's column.
        scale: Factor; negative inverts the axis.
        offset: Added after scaling, in the robot's unit; only for absolute action spaces.
    """

    column: str
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a factor that removes the axis."""
        require(self.scale != 0.0, "scale", "must not be 0")
        require_range("scale", self.scale, -_LARGEST, _LARGEST)
        require_range("offset", self.offset, -1e3, 1e3, "rad (or m)")


@dataclass(frozen=True)
class GripperAction:
    """What the gripper's column means.

    Attributes:
        column: Name of the chunk's column.
        open: Its value for a fully open gripper.
        closed: Its value for a fully closed gripper.
        mode: `continuous`: the opening follows the value. `binary`: open or closed, with
            hysteresis. `sticky`: a change by more than half of the range between two rows
            closes or opens, and that is kept for `sticky_steps` rows.
        close_above: binary: closes above this, 0 (open) .. 1 (closed).
        open_below: binary: opens below this, 0 .. 1; between the two nothing changes.
        sticky_steps: sticky: rows.
    """

    column: str = "gripper"
    open: float = 0.0
    closed: float = 1.0
    mode: str = "continuous"
    close_above: float = 0.6
    open_below: float = 0.4
    sticky_steps: int = 15

    def __post_init__(self) -> None:
        """Refuse conventions without a meaning."""
        require_choice(self, "mode", ("continuous", "binary", "sticky"))
        require(self.open != self.closed, "closed", "must differ from open")
        for key in ("open", "closed"):
            require_range(key, getattr(self, key), -_LARGEST, _LARGEST)
        rising = 0.0 <= self.open_below <= self.close_above <= 1.0
        require(rising, "open_below", "must be 0 <= open_below <= close_above <= 1")
        require_range("sticky_steps", self.sticky_steps, 1, 1000)


@dataclass(frozen=True)
class ActionMapping:
    """What the robot understands and how a chunk's columns become that.

    Attributes:
        space: One of `ACTION_SPACES`; chunks of another one are refused.
        columns: The names that a chunk must carry, in any order.
        frame: `base` or `tool`: frame of the deltas of `ee_delta`.
        tool_frame: Name of that frame for `tool`, e.g. `fr3_hand_tcp`; chunks that name another
            one are refused.
        rotation: `rpy` (fixed axes x, y, z in turn) or `axis_angle`.
        scale: Factor on every motion column (not the gripper); only for delta spaces.
        joints: Joint names in the robot's order, for joint spaces.
        axes: Source per axis; an axis that is not named here takes the column of its own name.
        gripper: None: the chunk has no gripper column.
    """

    space: str
    columns: tuple[str, ...]
    frame: str = "base"
    tool_frame: str = ""
    rotation: str = "rpy"
    scale: float = 1.0
    joints: tuple[str, ...] = ()
    axes: Mapping[str, AxisSource] = field(default_factory=dict)
    gripper: GripperAction | None = None

    def __post_init__(self) -> None:
        """Refuse a mapping that leaves columns or axes open."""
        require_choice(self, "space", ACTION_SPACES)
        require_choice(self, "frame", ("base", "tool"))
        require_choice(self, "rotation", ("rpy", "axis_angle"))
        require(self.scale > 0.0, "scale", f"must be > 0, is {self.scale}")
        require_range("scale", self.scale, 0.0, 100.0)
        require(len(set(self.columns)) == len(self.columns), "columns", "names must differ")
        require(self.frame == "base" or self.space == EE_DELTA, "frame", "tool needs ee_delta")
        require(self.frame == "tool" or not self.tool_frame, "tool_frame", "needs frame: tool")
        require(self.cartesian or bool(self.joints), "joints", "is missing: the action has joints")
        require(not self.cartesian or not self.joints, "joints", f"not used by {self.space}")
        if not self.is_delta:
            require(self.scale == 1.0, "scale", f"is only for delta spaces, not {self.space}")
        for axis, source in self.axes.items():
            known = CARTESIAN_AXES if self.cartesian else self.joints
            require(axis in known, f"axes.{axis}", f"unknown axis; known: {', '.join(known)}")
            self._require_column(f"axes.{axis}.column", source.column)
            shifted = self.is_delta and source.offset != 0.0
            require(not shifted, f"axes.{axis}.offset", "is only for absolute action spaces")
        if self.gripper is not None:
            self._require_column("gripper.column", self.gripper.column)
        require(bool(self.used_axes), "columns", "no column moves the robot")
        if not self.cartesian:
            missing = sorted(set(self.joints) - set(self.used_axes))
            require(not missing, "columns", f"no column for joint {', '.join(missing)}")
        if self.space == EE_POSE:
            missing = [axis for axis in CARTESIAN_AXES if axis not in self.used_axes]
            require(not missing, "columns", f"ee_pose needs a column for {', '.join(missing)}")

    def _require_column(self, key: str, column: str) -> None:
        require(column in self.columns, key, f"no column '{column}'")

    @property
    def cartesian(self) -> bool:
        """Whether actions move the end effector rather than joints."""
        return self.space in (EE_DELTA, EE_POSE)

    @property
    def is_delta(self) -> bool:
        """Whether a row is a change rather than a target."""
        return self.space in (EE_DELTA, JOINT_DELTA)

    @property
    def all_axes(self) -> tuple[str, ...]:
        """The robot's axes in order: x y z roll pitch yaw, or the joints."""
        return CARTESIAN_AXES if self.cartesian else self.joints

    @property
    def used_axes(self) -> tuple[str, ...]:
        """The axes that some column moves."""
        return tuple(a for a in self.all_axes if a in self.axes or a in self.columns)

    def motion(self, chunk: ActionChunk) -> np.ndarray:
        """Return the rows `[T, axes]` in the robot's order, sign and unit; unused axes are 0."""
        rows = np.zeros((len(chunk.values), len(self.all_axes)))
        for i, axis in enumerate(self.all_axes):
            if axis in self.used_axes:
                source = self.axes.get(axis) or AxisSource(axis)
                column = chunk.values[:, chunk.names.index(source.column)]
                rows[:, i] = column * (source.scale * self.scale) + source.offset
        return rows

    def gripper_rows(self, chunk: ActionChunk) -> np.ndarray | None:
        """Return the gripper's column `[T]`, 0 open .. 1 closed (unclipped), or None."""
        if self.gripper is None:
            return None
        column = chunk.values[:, chunk.names.index(self.gripper.column)]
        return (column - self.gripper.open) / (self.gripper.closed - self.gripper.open)


class GripperLogic:
    """Turns one value per executed row into the command, 0 open .. 1 closed."""

    def __init__(self, action: GripperAction) -> None:
        self._action = action
        self.reset()

    def reset(self) -> None:
        """Forget what was commanded."""
        self.command: float | None = None
        self._row: tuple[int, int] | None = None
        self._previous: float | None = None
        self._kept = 0

    def follow(self, row: tuple[int, int], value: float) -> bool:
        """Take the value of a row that is executed now, each row once.

        Args:
            row: The chunk's sequence number and the row's.
            value: 0 open .. 1 closed.

        Returns:
            Whether the value had to be clamped.
        """
        if row == self._row:
            return False
        self._row = row
        self.advance(value)
        return not 0.0 <= value <= 1.0

    def put(self, value: float) -> None:
        """Command a value, 0 open .. 1 closed, of no row; rounded where nothing is between."""
        continuous = self._action.mode == "continuous"
        self.command = self._previous = value if continuous else float(value > 0.5)
        self._kept = 0

    def advance(self, value: float) -> float:
        """Take the next row's value, 0 open .. 1 closed, and return the command."""
        clipped = min(max(value, 0.0), 1.0)
        if self._action.mode == "continuous":
            self.command = clipped
        elif self._action.mode == "binary":
            self.command = self._binary(clipped)
        else:
            self.command = self._sticky(clipped)
        self._previous = clipped
        return self.command

    def _binary(self, value: float) -> float:
        if value > self._action.close_above:
            return 1.0
        if value < self._action.open_below:
            return 0.0
        if self.command is None:  # no history: the nearer side
            return float(value > 0.5 * (self._action.close_above + self._action.open_below))
        return self.command

    def _sticky(self, value: float) -> float:
        if self.command is None or self._previous is None:
            return float(value > 0.5)
        if self._kept > 0:
            self._kept -= 1
            return self.command
        if abs(value - self._previous) > 0.5:
            self._kept = self._action.sticky_steps - 1
            return float(value > self._previous)
        return self.command
