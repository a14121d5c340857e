# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which commands are published for a robot. Topics are private (``~/twist`` ...); remap them."""

from __future__ import annotations

from dataclasses import dataclass

from .strict import require, require_choice


@dataclass(frozen=True)
class TwistOutput:
    """geometry_msgs/TwistStamped on ``~/twist``: m/s and rad/s in the profile's frame."""


@dataclass(frozen=True)
class GripperOutput:
    """How the gripper is commanded.

    Attributes:
        type: ``forward``: std_msgs/Float64MultiArray on ``~/gripper``.
        open: Published for a fully open gripper, in the driver's unit.
        closed: Published for a fully closed gripper.
    """

    type: str = "forward"
    open: float = 0.0
    closed: float = 1.0

    def __post_init__(self) -> None:
        """Refuse unknown types."""
        require_choice(self, "type", ("forward",))
        require(self.open != self.closed, "closed", "must differ from open")

    def value(self, command: float) -> float:
        """Return what is published for a command of 0 (open) .. 1 (closed)."""
        return self.open + (self.closed - self.open) * command


@dataclass(frozen=True)
class Outputs:
    """The outputs of one robot; each that is given is published."""

    twist: TwistOutput | None = None
    gripper: GripperOutput | None = None

    @property
    def commands_positions(self) -> bool:
        """Whether the robot is told where to be rather than how fast to go."""
        return False

    def require_for(self, cartesian: bool) -> None:
        """Refuse outputs that do not fit the action space, or none at all."""
        require(self.twist is not None, "", "name at least one output that moves the robot")
        if not cartesian:
            require(self.twist is None, "twist", "needs an end-effector action space")
