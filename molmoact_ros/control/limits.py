# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The limits that no command ever violates. SI units; poses and boxes in the profile's frame."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from molmoact_ros.yaml_config import ProfileError, require, require_positive

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class MotionLimit:
    """Limits of the end effector's translation (m) or rotation (rad); norms of the vector.

    Attributes:
        speed: m/s or rad/s.
        acceleration: m/s^2 or rad/s^2; also the deceleration of every stop.
        max_step: m or rad that one action may ask for; a larger one is garbage and its chunk is
            refused.
        max_following_error: m or rad that the robot may be away from what was commanded; more
            halts the motion (latched).
        jerk: m/s^3 or rad/s^3, None: not limited.
    """

    speed: float
    acceleration: float
    max_step: float
    max_following_error: float
    jerk: float | None = None

    def __post_init__(self) -> None:
        """Refuse values that are not positive."""
        require_positive(self, "speed", "acceleration", "max_step", "max_following_error", "jerk")


@dataclass(frozen=True)
class Workspace:
    """The box, m, that the end effector stays in; axes of the profile's frame."""

    min: Vector
    max: Vector

    def __post_init__(self) -> None:
        """Refuse an empty box."""
        for i, (low, high) in enumerate(zip(self.min, self.max, strict=True)):
            require(low < high, f"min[{i}]", f"{low} is not below max[{i}] = {high}")


@dataclass(frozen=True)
class OrientationCone:
    """How far the tool may lean away from a direction.

    Attributes:
        tool_axis: Direction that is fixed to the end effector, in its own frame.
        direction: Where that axis should point, in the profile's frame.
        max_angle: rad between the two at most.
    """

    tool_axis: Vector
    direction: Vector
    max_angle: float

    def __post_init__(self) -> None:
        """Refuse directions without length and angles that are no cone."""
        for key in ("tool_axis", "direction"):
            require(any(getattr(self, key)), key, "must not be all zero")
        require(
            0.0 < self.max_angle < math.pi,
            "max_angle",
            f"must be between 0 and pi rad, is {self.max_angle}",
        )


@dataclass(frozen=True)
class JointLimit:
    """Limits of one joint, rad or m.

    Attributes:
        min: Lowest position.
        max: Highest position.
        speed: Per s.
        acceleration: Per s^2; also the deceleration of every stop.
        max_step: What one action may ask for; a larger one is garbage and its chunk is refused.
        max_following_error: How far the joint may be away from what was commanded.
        margin: Distance that is kept from ``min`` and ``max``.
        jerk: Per s^3, None: not limited.
    """

    min: float
    max: float
    speed: float
    acceleration: float
    max_step: float
    max_following_error: float
    margin: float = 0.0
    jerk: float | None = None

    def __post_init__(self) -> None:
        """Refuse values that are not positive and empty ranges."""
        require_positive(self, "speed", "acceleration", "max_step", "max_following_error", "jerk")
        require(self.margin >= 0.0, "margin", f"must be >= 0, is {self.margin}")
        require(self.min < self.max, "min", f"{self.min} is not below max = {self.max}")
        require(
            self.min + self.margin < self.max - self.margin,
            "margin",
            f"{self.margin} leaves nothing between min and max",
        )


@dataclass(frozen=True)
class Limits:
    """All limits of a robot; which of them are needed depends on the axes that are used.

    Attributes:
        linear: Of the end effector's translation.
        angular: Of the end effector's rotation.
        workspace: Box for the end effector.
        orientation: Cone for the tool, None: any orientation.
        joints: Per joint name.
    """

    linear: MotionLimit | None = None
    angular: MotionLimit | None = None
    workspace: Workspace | None = None
    orientation: OrientationCone | None = None
    joints: Mapping[str, JointLimit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what can not be promised together."""
        smooth = self.angular is not None and self.angular.jerk is not None
        require(
            not (smooth and self.orientation is not None),
            "angular.jerk",
            "can not be kept together with limits.orientation; remove one of them",
        )

    def require_for(self, axes: tuple[str, ...], cartesian: bool) -> None:
        """Refuse to go on without a limit for each used axis, or with one that nobody keeps.

        Args:
            axes: x, y, z, roll, pitch, yaw, or joint names.
            cartesian: Whether ``axes`` are those of an end effector.

        Raises:
            ProfileError: Names the key.
        """
        ignored = ("joints",) if cartesian else ("linear", "angular", "workspace", "orientation")
        for key in ignored:
            require(not getattr(self, key), key, "can not be kept in this action space")
        if not cartesian:
            for name in self.joints:
                require(name in axes, f"joints.{name}", f"unknown joint; joints: {', '.join(axes)}")
            for name in axes:
                if name not in self.joints:
                    raise ProfileError(f"joints.{name}", f"is missing: joint {name} is used")
            return
        used = set(axes)
        translation, turn = ("x", "y", "z"), ("roll", "pitch", "yaw")
        for key, group in (("linear", translation), ("workspace", translation), ("angular", turn)):
            moved = [axis for axis in group if axis in used]
            if moved and getattr(self, key) is None:
                raise ProfileError(key, f"is missing: the action uses {', '.join(moved)}")
