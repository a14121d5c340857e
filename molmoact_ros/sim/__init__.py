# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""MuJoCo tabletop with Fetch's arm and three coloured blocks. Imports neither torch nor ROS."""

from .camera import CameraModel
from .tabletop import JointState, Tabletop

__all__ = ["CameraModel", "JointState", "Tabletop"]
