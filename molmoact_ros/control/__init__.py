# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From action chunks to bounded commands: timing, limits, states. Numpy only, no ROS, no torch."""

from molmoact_ros.yaml_config import ProfileError

from .chunk import ACTION_SPACES, ActionChunk
from .command import Command, Preview
from .executor import Executor
from .limits import JointLimit, Limits, MotionLimit, OrientationCone, Workspace
from .pose import Pose
from .robot_profile import RobotProfile, load_profile
from .status import Outcome, State, Status

__all__ = [
    "ACTION_SPACES",
    "ActionChunk",
    "Command",
    "Executor",
    "JointLimit",
    "Limits",
    "MotionLimit",
    "OrientationCone",
    "Outcome",
    "Pose",
    "Preview",
    "ProfileError",
    "RobotProfile",
    "State",
    "Status",
    "Workspace",
    "load_profile",
]
