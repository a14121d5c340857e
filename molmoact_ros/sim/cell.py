# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What differs in another robot cell: its camera, its robot's conventions, its words.

The simulator itself stays in the world's frame; who connects a robot to it converts by these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from molmoact_ros.yaml_config import ProfileError, build, read_yaml, require, require_range


@dataclass(frozen=True)
class Cell:
    """One cell; the default is that of the shipped checkpoint.

    Attributes:
        robot: Profile of config/robots.
        camera_turn: deg, about the vertical through the point that the external camera looks at.
        base_turn: deg, about z; the robot's base frame is turned against the world by so much.
        gripper_open: Command that opens the gripper.
        gripper_closed: Command that closes it.
        words: Other words of its instructions, by the usual ones.
    """

    robot: str = "tabletop"
    camera_turn: float = 0.0
    base_turn: float = 0.0
    gripper_open: float = 0.0
    gripper_closed: float = 1.0
    words: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        for key in ("camera_turn", "base_turn"):
            require_range(key, getattr(self, key), -180.0, 180.0, "deg")
        require(self.gripper_open != self.gripper_closed, "gripper_closed", "must differ from open")
        for key, word in self.words.items():
            require(word.isalpha(), f"words.{key}", "must be one word")

    def to_base(self, vectors: np.ndarray) -> np.ndarray:
        """Turn world vectors ``[..., 3]`` into the robot's base frame."""
        return np.asarray(vectors @ _about_z(self.base_turn))

    def to_world(self, vectors: np.ndarray) -> np.ndarray:
        """Turn vectors ``[..., 3]`` of the robot's base frame into the world."""
        return np.asarray(vectors @ _about_z(self.base_turn).T)

    def pose_to_base(self, pose: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Turn a world pose, position ``[3]`` and quaternion (x, y, z, w), into the base frame."""
        position, (x, y, z, w) = pose
        half = -np.deg2rad(self.base_turn) / 2
        c, s = np.cos(half), np.sin(half)
        turned = np.array([c * x - s * y, c * y + s * x, c * z + s * w, c * w - s * z])
        return self.to_base(position), turned

    def gripper_command(self, closed: float) -> float:
        """Return the robot's command for a gripper, 0 open .. 1 closed."""
        return self.gripper_open + closed * (self.gripper_closed - self.gripper_open)

    def closed_by(self, command: float) -> float:
        """Return how far a command closes the gripper, 0 open .. 1 closed."""
        return (command - self.gripper_open) / (self.gripper_closed - self.gripper_open)

    def worded(self, instruction: str) -> str:
        """Return an instruction in this cell's words."""
        return " ".join(self.words.get(word, word) for word in instruction.split())


SHIPPED = Cell()


def turned_about(point: np.ndarray, centre: np.ndarray, degrees: float) -> np.ndarray:
    """Return a point ``[3]`` turned about the vertical through `centre`."""
    return np.asarray(centre + _about_z(degrees) @ (point - centre))


def load_cell(path: str | Path | None) -> Cell:
    """Read a cell; without a file, that of the shipped checkpoint.

    Raises:
        ProfileError: Names the file and the key.
    """
    if not path:
        return SHIPPED
    try:
        return build(Cell, read_yaml(path))
    except ProfileError as error:
        raise ProfileError(Path(path).name, str(error)) from None


def _about_z(degrees: float) -> np.ndarray:
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
