# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What arm and gripper are commanded: by its limits, and judged by what the robot makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .audit import command_fault
from .following import Following
from .mapping import GripperLogic
from .motion import Clamps
from .movers import make_mover
from .plan import Plan, Setpoint
from .pose import MotionState, Position, moved_on
from .robot_profile import RobotProfile
from .sampled_motion import Forecast, Preview, SampledMotion
from .sensing import Advance

Wanted = Callable[[float], Setpoint]  # what is wanted at a time, s


@dataclass(frozen=True)
class Command:
    """What is commanded now; every part of it keeps the limits.

    Attributes:
        stamp: s, when it was computed.
        velocity: `[6]` linear m/s and angular rad/s in the profile's frame, or `[J]`.
        position: The pose or joint positions `[J]` that belong to it.
        gripper: 0 open .. 1 closed, None: not commanded.
        preview: When a trajectory is due, else None.
        final: The last command before nothing is published any more; its velocity is zero.
    """

    stamp: float
    velocity: np.ndarray
    position: Position
    gripper: float | None = None
    preview: Preview | None = None
    final: bool = False


class Commanded:
    """The motion, the gripper, and the last command.

    Attributes:
        motion: From one command to the next.
        gripper: None: the robot has none.
        sent: Velocity and position of the last command.
    """

    def __init__(self, profile: RobotProfile, counters: dict[str, int]) -> None:
        dt = profile.execution.dt
        self._profile = profile
        self._counters = counters
        self.motion = SampledMotion(make_mover(profile), dt)
        gripper, trajectory = profile.action.gripper, profile.outputs.joint_trajectory
        self.gripper = None if gripper is None else GripperLogic(gripper)
        self._forecast = None if trajectory is None else Forecast(trajectory, dt)
        self._following = Following(profile)
        self.sent = MotionState(self.motion.velocity, self.motion.position)

    def begin(self, position: Position | None) -> None:
        """Begin anew, at rest at a position; None: the motion goes on."""
        self._following.reset()
        if self.gripper is not None:
            self.gripper.reset()  # it may have been moved by hand: no command before a chunk
        if position is not None:
            self.motion.reset(position)
            self.sent = MotionState(self.motion.velocity, self.motion.position)

    def forget(self) -> None:
        """Forget what the robot did, e.g. after a jump of the clock."""
        self._following.reset()

    def plan_changed(self) -> None:
        """Have a preview made at once: until then a controller follows the one before."""
        if self._forecast is not None:
            self._forecast.ask()

    def step(self, wanted: Setpoint) -> None:
        """Move on by a control period."""
        clamps = self.motion.step(wanted)
        for name, happened in zip(Clamps._fields, clamps, strict=True):
            self._counters[f"clamped_{name}"] += happened

    def move_gripper(self, plan: Plan, now: float) -> None:
        """Follow the row of a plan that is executed now."""
        if self.gripper is None or plan.gripper is None:
            return
        row = plan.row(now)
        if self.gripper.follow((plan.chunk.sequence, row), float(plan.gripper[row])):
            self._counters["clamped_gripper"] += 1

    def anchor(self, latest: tuple[float, Position] | None, now: float) -> None:
        """Where only velocities are commanded, the robot is where it was measured, moved on."""
        if self._profile.outputs.commands_positions or latest is None:
            return
        stamp, position = latest
        ahead = min(max(now - stamp, 0.0), self._profile.execution.state_timeout)
        mover = self.motion.mover
        mover.position = moved_on(position, mover.velocity * ahead)

    def following_fault(self, advance: Advance, measured: Position) -> str | None:
        """Return what the robot does not follow; call it once per step, before the motion."""
        # A driver does not go on for longer without a command, and stale states stop the motion.
        seconds = min(advance.elapsed, self._profile.execution.state_timeout)
        progress = self.motion.progress()
        if not self._profile.outputs.commands_positions:
            progress = self.sent.velocity * seconds
        return self._following.update(progress, seconds, self.sent.position, measured)

    def advance(self, seconds: float) -> str | None:
        """Take over the motion's present state, `seconds` after the command before.

        Returns:
            Which limit it would violate: then the motion is at rest, at once; None: all is well.
        """
        before, velocity = self.sent, self.motion.velocity
        position = self.motion.position if np.isfinite(velocity).all() else before.position
        self.sent = MotionState(velocity, position)
        fault = command_fault(self._profile, before, self.sent, seconds)
        if fault is not None:
            # Nothing of this command is published.
            self.motion.reset(before.position)
            self.sent = MotionState(np.zeros_like(before.velocity), before.position)
        return fault

    def command(self, now: float, wanted: Wanted | None, *, moving: bool, final: bool) -> Command:
        """Return the command.

        Args:
            now: s.
            wanted: From now on; None: slow down.
            moving: Whether it may move.
            final: Whether it is the last one.
        """
        preview = None
        if self._forecast is not None and self._forecast.is_due(moving):
            preview = self._forecast.preview(self.motion, wanted, now)
        gripper = self.gripper.command if self.gripper else None
        return Command(now, *self.sent, gripper=gripper, preview=preview, final=final)

    def rest(self, now: float) -> Command:
        """Return the command to rest at once."""
        return Command(now, np.zeros_like(self.sent.velocity), self.sent.position, final=True)
