# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which commands are published for a robot, on private topics (`~/twist` ...) to be remapped."""

from __future__ import annotations

from dataclasses import dataclass

from molmoact_ros.yaml_config import (
    require,
    require_choice,
    require_positive,
    require_range,
)

_CARTESIAN = ("twist", "pose")
_JOINT = ("joint_trajectory", "joint_jog", "forward")


@dataclass(frozen=True)
class ServoOutput:
    """An output that MoveIt Servo may take.

    Attributes:
        servo_command_type_service: Servo's service that switches it to this kind of command, e.g.
            `servo_node/switch_command_type`; empty: not called.
        servo_status_topic: Servo's status, e.g. `servo_node/status`; empty: `status` beside the
            service, or none where that is empty too.
    """

    servo_command_type_service: str = ""
    servo_status_topic: str = ""

    @property
    def servo_node(self) -> str:
        """Name of Servo's node, empty where Servo is not used."""
        name = self.servo_command_type_service or self.servo_status_topic
        return name.rpartition("/")[0]

    @property
    def servo_status(self) -> str:
        """Topic of Servo's status, empty where Servo is not used."""
        return self.servo_status_topic or (f"{self.servo_node}/status" if self.servo_node else "")

    def __post_init__(self) -> None:
        """Refuse names without a node."""
        for key in ("servo_command_type_service", "servo_status_topic"):
            name = getattr(self, key)
            require(not name or "/" in name.strip("/"), key, f"'{name}' does not name a node")


@dataclass(frozen=True)
class TwistOutput(ServoOutput):
    """geometry_msgs/TwistStamped on `~/twist`: m/s and rad/s in the profile's frame."""


@dataclass(frozen=True)
class PoseOutput(ServoOutput):
    """geometry_msgs/PoseStamped on `~/pose`: the target of the end effector now."""


@dataclass(frozen=True)
class JointTrajectoryOutput:
    """trajectory_msgs/JointTrajectory on `~/joint_trajectory`, for a JointTrajectoryController.

    Each message holds what is planned from its stamp on and ends at rest, so that the arm stops by
    itself should no other one come.

    Attributes:
        rate: Hz, messages per second.
        horizon: s of planned motion before the ramp down.
        spacing: s between points.
    """

    rate: float = 10.0
    horizon: float = 0.3
    spacing: float = 0.05

    def __post_init__(self) -> None:
        """Refuse values that leave gaps."""
        require_positive(self, "rate", "horizon", "spacing")
        require_range("rate", self.rate, 0.1, 100.0, "Hz")
        require_range("horizon", self.horizon, 0.0, 10.0, "s")
        require(self.horizon >= 1.0 / self.rate, "horizon", "must be >= 1 / rate")
        require(self.spacing <= self.horizon, "spacing", "must be <= horizon")


@dataclass(frozen=True)
class JointJogOutput(ServoOutput):
    """control_msgs/JointJog with velocities, rad/s, on `~/joint_jog`."""


@dataclass(frozen=True)
class ForwardOutput:
    """std_msgs/Float64MultiArray on `~/forward`, for a forward_command_controller.

    Attributes:
        interface: `position` or `velocity`.
    """

    interface: str = "position"

    def __post_init__(self) -> None:
        """Refuse unknown interfaces."""
        require_choice(self, "interface", ("position", "velocity"))


@dataclass(frozen=True)
class GripperOutput:
    """How the gripper is commanded.

    Attributes:
        type: `forward`: topic of std_msgs/Float64MultiArray. `joint_trajectory`: topic of
            trajectory_msgs/JointTrajectory. `gripper_command` and `parallel_gripper_command`:
            actions of control_msgs.
        name: Of the topic or action. A remapping of `~/gripper` takes its place for topics; ROS
            does not remap actions as a whole.
        open: Commanded for a fully open gripper, in the driver's unit.
        closed: Commanded for a fully closed gripper.
        joint: Name of its joint, where the message needs one.
        max_effort: N or N m, for the actions; 0: the driver's own.
        min_change: Actions and trajectories are only sent when the command, 0 .. 1, has changed
            by this much.
    """

    type: str = "forward"
    name: str = "~/gripper"
    open: float = 0.0
    closed: float = 1.0
    joint: str = ""
    max_effort: float = 0.0
    min_change: float = 0.05

    def __post_init__(self) -> None:
        """Refuse unknown types and missing names."""
        types = ("forward", "joint_trajectory", "gripper_command", "parallel_gripper_command")
        require_choice(self, "type", types)
        require(self.open != self.closed, "closed", "must differ from open")
        require(bool(self.name), "name", "must not be empty")
        named = self.type in ("joint_trajectory", "parallel_gripper_command")
        require(not named or bool(self.joint), "joint", f"is missing: {self.type} names it")
        for key in ("open", "closed"):
            require_range(key, getattr(self, key), -1e6, 1e6)
        require_range("max_effort", self.max_effort, 0.0, 1e4, "N or N m")
        require(0.0 <= self.min_change < 1.0, "min_change", "must be 0 .. 1")

    def value(self, command: float) -> float:
        """Return what is published for a command of 0 (open) .. 1 (closed)."""
        return self.open + (self.closed - self.open) * command


@dataclass(frozen=True)
class Outputs:
    """The outputs of one robot; each that is given is published."""

    twist: TwistOutput | None = None
    pose: PoseOutput | None = None
    joint_trajectory: JointTrajectoryOutput | None = None
    joint_jog: JointJogOutput | None = None
    forward: ForwardOutput | None = None
    gripper: GripperOutput | None = None

    @property
    def commands_positions(self) -> bool:
        """Whether positions are commanded rather than only velocities."""
        forward = self.forward is not None and self.forward.interface == "position"
        return forward or self.pose is not None or self.joint_trajectory is not None

    @property
    def arm(self) -> tuple[str, ...]:
        """The keys of the arm's outputs that are given."""
        return tuple(key for key in (*_CARTESIAN, *_JOINT) if getattr(self, key) is not None)

    def require_for(self, cartesian: bool) -> None:
        """Refuse outputs that do not fit the action space, or none at all."""
        fitting, other = (_CARTESIAN, _JOINT) if cartesian else (_JOINT, _CARTESIAN)
        for key in other:
            kind = "a joint" if cartesian else "an end-effector"
            require(getattr(self, key) is None, key, f"needs {kind} action space")
        some = any(getattr(self, key) is not None for key in fitting)
        require(some, "", f"name at least one of: {', '.join(fitting)}")
