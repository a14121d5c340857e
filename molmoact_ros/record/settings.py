# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is recorded of a robot cell, and what it means: one YAML file. No ROS in it.

The recorder writes it into each episode, and `molmoact-dataset` reads it there; for bags that
somebody else recorded the file is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from molmoact_ros.control.rotation import normalised
from molmoact_ros.yaml_config import ProfileError, build, join, read_yaml, require

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class CameraPose:
    """Where a camera that does not move is, in the frame of the robot's profile.

    Attributes:
        position: Of the optical centre, m.
        quaternion: (x, y, z, w) from the optical frame (x right, y down, z forward) to that frame.
    """

    position: Vector
    quaternion: tuple[float, float, float, float]

    def __post_init__(self) -> None:
        """Refuse a quaternion that is none."""
        try:
            normalised(np.array(self.quaternion))
        except ValueError as error:
            raise ProfileError("quaternion", str(error)) from None


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera without distortion, for cameras without CameraInfo, px."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float


@dataclass(frozen=True)
class Camera:
    """One camera.

    Attributes:
        image: Topic of Image or CompressedImage.
        info: Topic of CameraInfo; empty: `intrinsics`, or the camera is not calibrated, which the
            first one, onto which the trajectory is projected, must be.
        intrinsics: In place of CameraInfo.
        pose: Of a fixed camera; None: from /tf and /tf_static, by the frame of the pictures.
        depth: Topic of a depth image (32FC1 m, 16UC1 mm), registered to the pictures; empty: none.
    """

    image: str
    info: str = ""
    intrinsics: Intrinsics | None = None
    pose: CameraPose | None = None
    depth: str = ""

    def __post_init__(self) -> None:
        """Refuse a camera without pictures, and one with two calibrations."""
        require(bool(self.image), "image", "must not be empty")
        require(not (self.info and self.intrinsics), "intrinsics", "not beside info: remove one")


@dataclass(frozen=True)
class EndEffector:
    """Where the measured pose of the end effector comes from.

    Attributes:
        pose: Topic of PoseStamped in the frame of the robot's profile.
        frame: Instead: name of its frame in /tf.
        offset: Point that the trajectory shows, in the end effector's own frame, m; between the
            finger tips, where the pose is that of a flange.
    """

    pose: str = ""
    frame: str = ""
    offset: Vector = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        """Require one of the two sources."""
        require(bool(self.pose) != bool(self.frame), "pose", "give either pose or frame")


@dataclass(frozen=True)
class GripperSource:
    """How open the gripper is.

    Attributes:
        joint: Its joint in `joint_states`, for the measured opening; empty: not measured.
        open: Position of the joint when open, rad or m.
        closed: The same when closed.
        command: Topic of its commands, Float64MultiArray, Float64 or JointTrajectory; the first
            number counts. Empty: actions hold what was measured.
        command_open: Command that opens it.
        command_closed: Command that closes it.
    """

    joint: str = ""
    open: float = 0.0
    closed: float = 1.0
    command: str = ""
    command_open: float = 0.0
    command_closed: float = 1.0

    def __post_init__(self) -> None:
        """Require a source and a range."""
        require(bool(self.joint or self.command), "joint", "give joint, command, or both")
        require(self.open != self.closed, "closed", "must differ from open")
        require(self.command_open != self.command_closed, "command_closed", "must differ")


@dataclass(frozen=True)
class RecordingSettings:
    """What is recorded.

    Attributes:
        robot: Profile of config/robots, or a YAML file.
        cameras: By the names that the data set gives them; the first carries depth and trajectory.
        end_effector: Its measured pose.
        instruction: String topic with the present instruction.
        joint_states: Topic of JointState; empty: none.
        gripper: None: the robot has none.
        commands: Further topics with what moves the robot.
        human: Bool topic, true while a person moves the robot; empty: always.
        also: Further topics, recorded only.
    """

    robot: str
    cameras: Mapping[str, Camera]
    end_effector: EndEffector
    instruction: str
    joint_states: str = ""
    gripper: GripperSource | None = None
    commands: tuple[str, ...] = ()
    human: str = ""
    also: tuple[str, ...] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        """Refuse names that files cannot have, and a joint that no topic holds."""
        require(bool(self.cameras), "cameras", "must name at least one camera")
        for name in self.cameras:
            plain = name.replace("_", "").isalnum() and name.isascii()
            require(plain, join("cameras", name), "letters, digits and _ only")
        images = [camera.image for camera in self.cameras.values()]
        require(len(set(images)) == len(images), "cameras", "two cameras have the same image topic")
        require(bool(self.instruction), "instruction", "must not be empty")
        joint = self.gripper is not None and self.gripper.joint
        require(bool(self.joint_states) or not joint, "joint_states", "is missing: gripper.joint")

    @property
    def topics(self) -> tuple[str, ...]:
        """All topics that are recorded, without those of TF."""
        names = []
        for camera in self.cameras.values():
            names += [camera.image, camera.info, camera.depth]
        names += [self.end_effector.pose, self.joint_states, *self.commands, self.human]
        names += [self.gripper.command if self.gripper else "", *self.also]
        return tuple(dict.fromkeys(name for name in names if name))

    @property
    def uses_tf(self) -> bool:
        """Whether a pose comes from TF."""
        lead = next(iter(self.cameras.values()))
        return bool(self.end_effector.frame) or lead.pose is None


def settings_from(content: Any, source: str) -> RecordingSettings:
    """Build the settings from what YAML gave.

    Raises:
        ProfileError: Names the source and the key.
    """
    try:
        return build(RecordingSettings, content)
    except ProfileError as error:
        raise ProfileError(source, str(error)) from None


def load_settings(path: Path) -> RecordingSettings:
    """Read a file.

    Raises:
        ProfileError: Names the file and the key.
    """
    return settings_from(read_yaml(path), path.name)
