# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""MuJoCo tabletop with Fetch's arm and three coloured blocks. Imports neither torch nor ROS."""

from .camera import CameraModel
from .cell import SHIPPED, Cell, load_cell
from .tabletop import JointState, Tabletop
from .tasks import Hold, Judge, Task, draw_task
from .variation import VARIATIONS

__all__ = [
    "SHIPPED",
    "VARIATIONS",
    "CameraModel",
    "Cell",
    "Hold",
    "JointState",
    "Judge",
    "Tabletop",
    "Task",
    "draw_task",
    "load_cell",
]
