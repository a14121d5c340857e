# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From the columns of a chunk to the axes of a robot: order, sign, scale, gripper convention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from molmoact_ros.yaml_config import ProfileError, require, require_choice

from .bounds import require_range
from .chunk import ACTION_SPACES, EE_DELTA, EE_POSE, JOINT_DELTA, ActionChunk, Refusal

_LARGEST = 1e6  # of factors and of numbers in a driver's or a data set's own unit
CARTESIAN_AXES = ("x", "y", "z", "roll", "pitch", "yaw")


@dataclass(frozen=True)
class AxisSource:
    """Where the value of one robot axis comes from: ``scale * column + offset``.

    Attributes:
        column: Name of the chunk's column.
        scale: Factor; negative turns the sign.
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
        mode: ``continuous``: the opening follows the value. ``binary``: open or closed, with
            hysteresis. ``sticky``: a change by more than half of the range between two rows
            closes or opens, and that is kept for ``sticky_steps`` rows.
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
        require(
            0.0 <= self.open_below <= self.close_above <= 1.0,
            "open_below",
            "must be 0 <= open_below <= close_above <= 1",
        )
        require_range("sticky_steps", self.sticky_steps, 1, 1000)


@dataclass(frozen=True)
class ActionMapping:
    """What the robot understands and how a chunk's columns become that.

    Attributes:
        space: One of ``ACTION_SPACES``; chunks of another one are refused.
        columns: The names that a chunk must carry, in any order.
        frame: ``base`` or ``tool``: frame of the deltas of ``ee_delta``.
        tool_frame: Name of that frame for ``tool``, e.g. ``fr3_hand_tcp``; chunks that name another
            one are refused.
        rotation: ``rpy`` (fixed axes x, y, z in turn) or ``axis_angle``.
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
            require(
                source.column in self.columns, f"axes.{axis}.column", f"no column '{source.column}'"
            )
            if self.is_delta and source.offset:
                raise ProfileError(f"axes.{axis}.offset", "is only for absolute action spaces")
        self._require_complete()

    def _require_complete(self) -> None:
        if self.gripper is not None:
            require(
                self.gripper.column in self.columns,
                "gripper.column",
                f"no column '{self.gripper.column}'",
            )
        require(bool(self.used_axes), "columns", "no column moves the robot")
        if not self.cartesian:
            missing = sorted(set(self.joints) - set(self.used_axes))
            require(not missing, "columns", f"no column for joint {', '.join(missing)}")
        if self.space == EE_POSE:
            missing = [axis for axis in CARTESIAN_AXES if axis not in self.used_axes]
            require(not missing, "columns", f"ee_pose needs a column for {', '.join(missing)}")

    @property
    def cartesian(self) -> bool:
        """Whether actions move the end effector rather than joints."""
        return self.space in (EE_DELTA, EE_POSE)

    @property
    def is_delta(self) -> bool:
        """Whether a row says a change rather than a target."""
        return self.space in (EE_DELTA, JOINT_DELTA)

    @property
    def all_axes(self) -> tuple[str, ...]:
        """The robot's axes in order: x y z roll pitch yaw, or the joints."""
        return CARTESIAN_AXES if self.cartesian else self.joints

    @property
    def used_axes(self) -> tuple[str, ...]:
        """The axes that some column moves."""
        return tuple(a for a in self.all_axes if a in self.axes or a in self.columns)

    def name_fault(self, chunk: ActionChunk) -> Refusal | None:
        """Return why a well-formed chunk is not meant for this robot, None where it is."""
        if chunk.action_space != self.space:
            return Refusal(
                "refused_action_space",
                f"action space is '{chunk.action_space:.64}', this robot takes '{self.space}'",
            )
        if sorted(chunk.names) != sorted(self.columns):
            names = " ".join(chunk.names[:64])
            return Refusal(
                "refused_names",
                f"{len(chunk.names)} columns [{names:.500}], expected [{' '.join(self.columns)}]",
            )
        return None

    def motion(self, chunk: ActionChunk) -> np.ndarray:
        """Return the rows ``[T, axes]`` in the robot's order, sign and unit; unused axes are 0."""
        rows = np.zeros((len(chunk.values), len(self.all_axes)))
        for i, axis in enumerate(self.all_axes):
            if axis in self.used_axes:
                source = self.axes.get(axis) or AxisSource(axis)
                column = chunk.values[:, chunk.names.index(source.column)]
                rows[:, i] = column * (source.scale * self.scale) + source.offset
        return rows

    def gripper_rows(self, chunk: ActionChunk) -> np.ndarray | None:
        """Return the gripper's column ``[T]``, 0 open .. 1 closed (unclipped), or None."""
        if self.gripper is None:
            return None
        column = chunk.values[:, chunk.names.index(self.gripper.column)]
        return (column - self.gripper.open) / (self.gripper.closed - self.gripper.open)
