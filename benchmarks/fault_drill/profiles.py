# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Shipped robot profiles, changed so that a drill can run them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

_ACTIONS = ("gripper_command", "parallel_gripper_command")


def without_extra_packages(path: Path, folder: Path) -> Path:
    """Return a copy of a profile that needs neither control_msgs nor MoveIt Servo."""

    def change(robot: dict[str, Any]) -> None:
        outputs = robot["outputs"]
        if (outputs.get("gripper") or {}).get("type") in _ACTIONS:
            outputs["gripper"] = {"type": "forward", "open": 0.0, "closed": 1.0}
        for key in ("twist", "pose", "joint_jog"):
            if outputs.get(key):
                outputs[key] = {}

    return changed(path, folder, change)


def changed(path: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Write a changed copy of a profile into a folder and return it."""
    robot = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(robot)
    copy = folder / path.name
    copy.write_text(yaml.safe_dump(robot, sort_keys=False), encoding="utf-8")
    return copy
