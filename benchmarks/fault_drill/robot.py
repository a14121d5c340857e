# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What arm and feeder have to know of a robot, read from its YAML: where it starts, its columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from .limits import read_limits
from .turns import shortest

AXES = ("x", "y", "z", "roll", "pitch", "yaw")


@dataclass(frozen=True)
class Robot:
    """A robot as the one who feeds it chunks knows it.

    Attributes:
        frame: Of its actions.
        space: Action space of its chunks.
        columns: Names of the chunk's columns.
        axes: Of the robot, in its order.
        sources: Column, scale and offset of each axis that a column moves.
        home: Position in the middle of all limits, `[7]` or `[J]`.
        gripper: Column of the gripper and its value for "open".
    """

    frame: str
    space: str
    columns: tuple[str, ...]
    axes: tuple[str, ...]
    sources: dict[str, tuple[int, float, float]]
    home: np.ndarray
    gripper: tuple[int, float] | None

    @property
    def is_delta(self) -> bool:
        """Whether rows are changes, not targets."""
        return self.space.endswith("_delta")

    def row(self, motion: np.ndarray) -> np.ndarray:
        """Return a row of a chunk for a change, or a target, of the axes (m, rad)."""
        row = np.zeros(len(self.columns))
        if self.gripper is not None:
            row[self.gripper[0]] = self.gripper[1]
        for axis, value in zip(self.axes, motion, strict=True):
            if axis in self.sources:
                column, scale, offset = self.sources[axis]
                row[column] = (value - offset) / scale
        return row


def read_robot(path: Path) -> Robot:
    """Read a robot profile."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    action = data["action"]
    columns = tuple(action["columns"])
    axes = tuple(action.get("joints", AXES))
    scale = float(action.get("scale", 1.0))
    sources = {}
    for axis in axes:
        given: dict[str, Any] = action.get("axes", {}).get(axis, {})
        column = given.get("column", axis)
        if column in columns:
            factor = float(given.get("scale", 1.0)) * scale
            sources[axis] = columns.index(column), factor, float(given.get("offset", 0.0))
    gripper = action.get("gripper")
    return Robot(
        frame=data["frame"],
        space=action["space"],
        columns=columns,
        axes=axes,
        sources=sources,
        home=_home(path),
        gripper=None
        if gripper is None
        else (columns.index(gripper.get("column", "gripper")), float(gripper.get("open", 0.0))),
    )


def _home(path: Path) -> np.ndarray:
    limits = read_limits(path)
    middle = (limits.low + limits.high) / 2.0
    if not limits.cartesian:
        return middle
    if limits.cone is None:
        return np.concatenate([middle, [0.0, 0.0, 0.0, 1.0]])
    return np.concatenate([middle, shortest(limits.cone[0], limits.cone[1])])
