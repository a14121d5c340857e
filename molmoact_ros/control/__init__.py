# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From action chunks to bounded commands: timing, limits, states. Numpy only, no ROS, no torch.

The modules in the order of the data:

    robot_profile     one robot's limits, mapping, output_settings and execution, from YAML
    chunk             what the policy publishes
    intake            whether it may be executed: form, meaning, trust, time, sequence
    mapping           its columns as the robot's axes and gripper
    plan              anchored at the measured position, on the clock, blended: setpoints
    teleop            a person's commands in the place of chunks
    sensing           the measured state, the clock, and whether an operator is present
    executor          the states; calls all the others, 100 times per second
    sampled_motion    control periods, and the motion between and after them
    movers            an end effector or joints: tracking, jerk
    motion            the next velocity within box, cone, range, speed and acceleration
    following         whether the robot follows
    audit             the last check of each command
    commanded         motion, gripper, the last command; calls the five above
    status            what is published about it

    pose, rotation, braking are their geometry and the braking law.
"""

from molmoact_ros.yaml_config import ProfileError

from .chunk import ACTION_SPACES, ActionChunk, Refusal
from .commanded import Command
from .executor import Executor
from .limits import JointLimit, Limits, MotionLimit, OrientationCone, Workspace
from .pose import Pose
from .robot_profile import RobotProfile, load_profile
from .sampled_motion import Preview
from .sensing import OperatorWatch
from .status import Outcome, State, Status
from .teleop import TeleopCommand, TeleopSettings

__all__ = [
    "ACTION_SPACES",
    "ActionChunk",
    "Command",
    "Executor",
    "JointLimit",
    "Limits",
    "MotionLimit",
    "OperatorWatch",
    "OrientationCone",
    "Outcome",
    "Pose",
    "Preview",
    "ProfileError",
    "Refusal",
    "RobotProfile",
    "State",
    "Status",
    "TeleopCommand",
    "TeleopSettings",
    "Workspace",
    "load_profile",
]
