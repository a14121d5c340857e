# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The limits of a robot, read from its YAML by the judge's own code.

Nothing of `molmoact_ros` is imported here, so that a fault in the package's reading of a profile,
or in what it makes of the limits, does not hide itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml


@dataclass(frozen=True)
class Group:
    """Axes whose vector is limited as one.

    Attributes:
        name: `linear`, `angular`, or a joint.
        part: Its place in a vector of velocities.
        speed: Of the vector's norm, m/s or rad/s.
        acceleration: m/s^2 or rad/s^2.
        following: How far the robot may be behind, m or rad.
    """

    name: str
    part: slice
    speed: float
    acceleration: float
    following: float

    @property
    def braking(self) -> float:
        """Distance of a ramp from full speed, m or rad."""
        return self.speed**2 / (2.0 * self.acceleration)


@dataclass(frozen=True)
class Limits:
    """What no command may leave.

    Attributes:
        frame: That commands are given in.
        rate: Commands per second.
        joints: Their names in the order of the commands; empty: the end effector is commanded.
        groups: Speeds and accelerations.
        low: Least position, `[3]` m or `[J]` rad, margins included.
        high: Largest position.
        cone: Axis of the tool, direction, and largest angle between them, rad; None: any.
        gripper: Least and largest value on the topic of the gripper; None: no such topic.
        outputs: Kinds of commands of the arm, e.g. `twist` or `forward velocity`.
    """

    frame: str
    rate: float
    joints: tuple[str, ...]
    groups: tuple[Group, ...]
    low: np.ndarray
    high: np.ndarray
    cone: tuple[np.ndarray, np.ndarray, float] | None
    gripper: tuple[float, float] | None
    outputs: tuple[str, ...]

    @property
    def period(self) -> float:
        """Time between two commands, s."""
        return 1.0 / self.rate

    @property
    def cartesian(self) -> bool:
        """Whether the end effector is commanded, not joints."""
        return not self.joints


def read_limits(path: Path) -> Limits:
    """Read the limits of a robot profile."""
    robot = yaml.safe_load(path.read_text(encoding="utf-8"))
    limits, joints = robot["limits"], tuple(robot["action"].get("joints", ()))
    if joints:
        given = [limits["joints"][name] for name in joints]
        groups = tuple(_group(joints[i], slice(i, i + 1), given[i]) for i in range(len(joints)))
        margins = np.array([float(joint.get("margin", 0.0)) for joint in given])
        low = np.array([float(joint["min"]) for joint in given]) + margins
        high = np.array([float(joint["max"]) for joint in given]) - margins
    else:
        parts = {"linear": slice(0, 3), "angular": slice(3, 6)}
        groups = tuple(
            _group(name, part, limits[name]) for name, part in parts.items() if name in limits
        )
        low, high = (np.array(limits["workspace"][end], dtype=float) for end in ("min", "max"))
    return Limits(
        frame=robot["frame"],
        rate=float(robot.get("execution", {}).get("rate", 100.0)),
        joints=joints,
        groups=groups,
        low=low,
        high=high,
        cone=_cone(limits.get("orientation")),
        gripper=_gripper(robot["outputs"].get("gripper")),
        outputs=_outputs(robot["outputs"]),
    )


def _group(name: str, part: slice, limit: dict[str, Any]) -> Group:
    speed, acceleration = float(limit["speed"]), float(limit["acceleration"])
    return Group(name, part, speed, acceleration, float(limit["max_following_error"]))


def _cone(given: dict[str, Any] | None) -> tuple[np.ndarray, np.ndarray, float] | None:
    if given is None:
        return None
    tool, direction = (np.array(given[key], dtype=float) for key in ("tool_axis", "direction"))
    tool, direction = tool / np.linalg.norm(tool), direction / np.linalg.norm(direction)
    return tool, direction, float(given["max_angle"])


def _gripper(given: dict[str, Any] | None) -> tuple[float, float] | None:
    if given is None or given.get("type", "forward") != "forward":
        return None
    ends = float(given.get("open", 0.0)), float(given.get("closed", 1.0))
    return min(ends), max(ends)


def _outputs(given: dict[str, Any]) -> tuple[str, ...]:
    kinds = []
    for key in ("twist", "pose", "joint_trajectory", "joint_jog"):
        if key in given:
            kinds.append(key)
    if "forward" in given:
        kinds.append("forward " + (given["forward"] or {}).get("interface", "position"))
    return tuple(kinds)
