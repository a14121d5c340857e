# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From action chunks to bounded commands: timing, limits, states. Numpy only, no ROS, no torch.

The modules in the order of the data:

    robot_profile  limits, mapping, output_settings and execution of one robot, from its YAML file
    chunk          what the policy hands over
    intake         may it be executed: form, meaning, trust, time, sequence
    mapping        columns to the robot's axes and gripper
    plan           anchored at the measured position, on the clock, blended: setpoints
    sensing        the measured state and the clock
    executor       the states: brings all of this together, 100 times per second
    sampled_motion control periods and the moments of the commands; forecasts
    movers         an end effector or joints: tracking, jerk
    motion         the next velocity within box, cone, range, speed, acceleration (braking)
    following      does the robot follow
    audit          the last check
    command, status what goes to the robot and to people
"""

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
