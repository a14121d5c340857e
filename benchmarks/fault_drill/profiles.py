# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Shipped robot profiles, changed so that a drill can run them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from .drill import Unavailable
from .limits import read_limits
from .pipes import ROOT

ROBOTS = ROOT / "config" / "robots"
TABLETOP = ROBOTS / "tabletop.yaml"
JOINT_COMMANDS = ("joint_trajectory", "forward velocity", "forward position")
_ACTIONS = ("gripper_command", "parallel_gripper_command")


def without_drivers(path: Path, folder: Path) -> Path:
    """Return a copy of a profile without names of topics, control_msgs and MoveIt Servo."""
    return _changed(path, folder, _without_drivers)


def joint_robot(command: str, folder: Path) -> Path:
    """Return a copy of the first shipped profile with joints, with another kind of command.

    Args:
        command: One of `JOINT_COMMANDS`, or `joint_jog`.
        folder: For the copy.
    """

    def change(robot: dict[str, Any]) -> None:
        _without_drivers(robot)
        kind, _, interface = command.partition(" ")
        given = robot["outputs"]
        robot["outputs"] = {kind: {"interface": interface} if interface else given.get(kind, {})}
        if command in ("forward velocity", "joint_jog"):
            robot["execution"].pop("at_end", None)  # velocities of changes have no target to hold

    for path in sorted(ROBOTS.glob("*.yaml")):
        if read_limits(path).joints:
            return _changed(path, folder, change)
    raise Unavailable("no shipped profile commands joints")


def _without_drivers(robot: dict[str, Any]) -> None:
    robot.pop("topics", None)
    outputs = robot["outputs"]
    if (outputs.get("gripper") or {}).get("type") in _ACTIONS:
        outputs["gripper"] = {"type": "forward", "open": 0.0, "closed": 1.0}
    for key in ("twist", "pose", "joint_jog"):
        if outputs.get(key):
            outputs[key] = {}


def _changed(path: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Write a changed copy of a profile into a folder and return it."""
    robot = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(robot)
    copy = folder / path.name
    copy.write_text(yaml.safe_dump(robot, sort_keys=False), encoding="utf-8")
    return copy
