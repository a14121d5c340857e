# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The limits that no command ever violates. SI units; poses and boxes in the profile's frame."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from molmoact_ros.yaml_config import below, require, require_positive, require_range

Vector = tuple[float, float, float]

_FOLLOWING_DISTANCE = 2.0  # times max_following_error
_LONGEST_RAMP = 10.0  # s; from full speed to rest, or from no acceleration to all of it
_FARTHEST = 100.0  # m from the frame's origin, of a box
_JOINT_RANGE = 1000.0  # rad or m

# Beyond any robot arm: such a number is a mistake, not a limit. By unit m or rad.
_LARGEST = {
    "speed": (10.0, 50.0),
    "acceleration": (100.0, 1000.0),
    "jerk": (1e5, 1e6),
    "max_step": (1.0, 2.0 * math.pi),
    "max_following_error": (1.0, math.pi),
    "following_distance": (10.0, 10.0 * math.pi),
}


@dataclass(frozen=True)
class MotionLimit:
    """Limits of a motion in m or rad: norms of the end effector's vectors, or one joint.

    Attributes:
        speed: Per s.
        acceleration: Per s^2; also the deceleration of every stop.
        max_step: What one action may ask for; a larger one is implausible and its chunk is refused.
        max_following_error: How far the robot may be away from what was commanded; more halts the
            motion (latched).
        jerk: Per s^3, None: not limited.
        min_following_share: 0.05..0.5; of the commanded motion that has to be measured.
        following_distance: A robot that has not moved that share of so long a way (to and fro)
            halts, latched. None: twice `max_following_error`.
    """

    speed: float
    acceleration: float
    max_step: float
    max_following_error: float
    jerk: float | None = None
    min_following_share: float = 0.3
    following_distance: float | None = None

    def __post_init__(self) -> None:
        """Refuse values that are not positive, and a share that means nothing."""
        require_positive(self, *_LARGEST)
        require_range("min_following_share", self.min_following_share, 0.05, 0.5)
        require(
            self.longest_unanswered >= 1.5 * self.max_following_error,
            "following_distance",
            "must be at least 1.5 x max_following_error: a robot that lags is nearly that far "
            "behind",
        )

    @property
    def longest_unanswered(self) -> float:
        """`following_distance`, or its default: m or rad."""
        return self.following_distance or _FOLLOWING_DISTANCE * self.max_following_error

    def require_plausible(self, column: int, unit: str) -> None:
        """Refuse numbers beyond any arm, and ramps that hardly end.

        Args:
            column: Of `_LARGEST`: 0 for m, 1 for rad.
            unit: For the error.
        """
        per = {"speed": "/s", "acceleration": "/s^2", "jerk": "/s^3"}
        for key, largest in _LARGEST.items():
            value = getattr(self, key)
            if value is not None:
                require_range(key, value, 0.0, largest[column], unit + per.get(key, ""))
        ramps = {"acceleration": self.speed / self.acceleration}
        if self.jerk is not None:
            ramps["jerk"] = 2.0 * self.acceleration / self.jerk
        for key, seconds in ramps.items():
            problem = f"a ramp would take {seconds:.3g} s, at most {_LONGEST_RAMP:g} s"
            require(seconds <= _LONGEST_RAMP, key, f"is too small: {problem}")


@dataclass(frozen=True)
class Workspace:
    """The box, m, that the end effector stays in; axes of the profile's frame."""

    min: Vector
    max: Vector

    def __post_init__(self) -> None:
        """Refuse an empty box, and one that is no place for an arm."""
        for i, (low, high) in enumerate(zip(self.min, self.max, strict=True)):
            require_range(f"min[{i}]", low, -_FARTHEST, _FARTHEST, "m")
            require_range(f"max[{i}]", high, -_FARTHEST, _FARTHEST, "m")
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
            length = math.hypot(*getattr(self, key))
            require(1e-3 <= length <= 1e3, key, f"must be 0.001..1000 long, not {length:g}")
        fits = 0.0 < self.max_angle < math.pi
        require(fits, "max_angle", f"must be between 0 and pi rad, is {self.max_angle}")


@dataclass(frozen=True, kw_only=True)
class JointLimit(MotionLimit):
    """Limits of one joint, rad or m; see also `MotionLimit`.

    Attributes:
        min: Lowest position.
        max: Highest position.
        margin: Distance that is kept from `min` and `max`.
    """

    min: float
    max: float
    margin: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values that are not positive, empty ranges, and stops that take too long."""
        super().__post_init__()
        self.require_plausible(1, "rad (or m)")
        for key in ("min", "max"):
            require_range(key, getattr(self, key), -_JOINT_RANGE, _JOINT_RANGE, "rad (or m)")
        require(self.margin >= 0.0, "margin", f"must be >= 0, is {self.margin}")
        require(self.min < self.max, "min", f"{self.min} is not below max = {self.max}")
        some = self.min + self.margin < self.max - self.margin
        require(some, "margin", f"{self.margin} leaves nothing between min and max")


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
        """Refuse what is beyond any arm, and what cannot be promised together."""
        for key, column, unit in (("linear", 0, "m"), ("angular", 1, "rad")):
            limit: MotionLimit | None = getattr(self, key)
            if limit is not None:
                with below(key):
                    limit.require_plausible(column, unit)
        smooth = self.angular is not None and self.angular.jerk is not None
        both = "cannot be kept together with limits.orientation; remove one of them"
        require(not smooth or self.orientation is None, "angular.jerk", both)

    def require_for(self, axes: tuple[str, ...], cartesian: bool) -> None:
        """Refuse to go on without a limit for each used axis, or with one that has no effect.

        Args:
            axes: x, y, z, roll, pitch, yaw, or joint names.
            cartesian: Whether `axes` are those of an end effector.

        Raises:
            ProfileError: Names the key.
        """
        ignored = ("joints",) if cartesian else ("linear", "angular", "workspace", "orientation")
        for key in ignored:
            require(not getattr(self, key), key, "cannot be kept in this action space")
        if not cartesian:
            for name in self.joints:
                require(name in axes, f"joints.{name}", f"unknown joint; joints: {', '.join(axes)}")
            for name in axes:
                used = f"is missing: joint {name} is used"
                require(name in self.joints, f"joints.{name}", used)
            return
        translation, turn = ("x", "y", "z"), ("roll", "pitch", "yaw")
        for key, group in (("linear", translation), ("workspace", translation), ("angular", turn)):
            moved = [axis for axis in group if axis in axes]
            uses = f"is missing: the action uses {', '.join(moved)}"
            require(not moved or getattr(self, key) is not None, key, uses)
