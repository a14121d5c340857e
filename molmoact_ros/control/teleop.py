# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A person's commands in the place of the policy's: which are followed, and for how long.

Times are s on the clock that stamps are compared with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .chunk import ActionChunk, Refusal
from .mapping import GripperLogic
from .plan import Setpoint
from .robot_profile import Execution, RobotProfile

_IMPLAUSIBLE = 100.0  # m/s or rad/s
_DEAD_ZONE = 0.02  # of the speed limit; what a device that nobody touches may publish
# Devices publish their gripper's position all the time: only a change of it, 0..1, is a command.
_GRIPPER_CHANGE = 0.02
_GRIPPER_PAUSE = 1.0  # s; what comes later than that is compared with the present command


@dataclass(frozen=True)
class TeleopSettings:
    """When a person's motion ends, and when the policy goes on.

    Attributes:
        timeout: s without a command after which the motion is ramped down.
        pause: s after the end of that motion; images taken before that are not acted on.
    """

    timeout: float = 0.2
    pause: float = 1.0


@dataclass(frozen=True)
class TeleopCommand:
    """The velocity that a person asks for, as received; nothing about it is trusted yet.

    Attributes:
        velocity: `[6]` linear m/s and angular rad/s, or `[J]` rad/s (m/s) in the profile's order.
        stamp: s; when it was made.
        frame: Of an end effector's velocity; empty: the profile's.
        source: The same for all commands of one publisher.
    """

    velocity: np.ndarray
    stamp: float
    frame: str = ""
    source: bytes = b""


@dataclass
class _Source:
    """One publisher: the stamp of its last command, and when its last motion came."""

    stamp: float
    moved: float = -math.inf


class Teleop:
    """What a person asks for at any moment.

    A command that is not zero takes over. Zeros brake, but neither take over nor go on with it: a
    device that nobody touches publishes them all the time. A command counts as zero while no axis
    leaves the dead zone.
    """

    def __init__(
        self, profile: RobotProfile, settings: TeleopSettings, counters: dict[str, int]
    ) -> None:
        self._profile = profile
        self._settings = settings
        self._counters = counters
        action = profile.action
        self._used = np.array([axis in action.used_axes for axis in action.all_axes])
        self._dead = _DEAD_ZONE * _speeds(profile)
        self.reset()

    def reset(self) -> None:
        """Forget everything, e.g. after a jump of the clock."""
        self._velocity = np.zeros(len(self._used))
        self._made = -math.inf  # stamp of the last command that was not zero
        self._gripped = -math.inf  # when the gripper was commanded
        self._busy = -math.inf  # until when a person moved the arm, or two tried to
        self._sources: dict[bytes, _Source] = {}
        self._followed = b""
        self._waits = False  # for the next control period
        self._gripper: tuple[float, float] | None = None  # value that counted, s of the last one

    def take(self, command: TeleopCommand, now: float) -> bool:
        """Take a command.

        Returns:
            Whether the person moves the arm by it.

        Raises:
            Refusal: It is not followed.
        """
        check_command(command, self._profile, self._settings, now)
        velocity = np.where(self._used, command.velocity, 0.0)
        moves = bool((np.abs(velocity) > self._dead).any())
        self._check_source(command, moves, now)
        if not moves:
            if command.source == self._followed:
                self._velocity = np.zeros_like(velocity)
            return False
        self._counters["teleop_accepted"] += 1
        self._counters["teleop_overtaken"] += self._waits
        self._waits = True
        self._followed, self._velocity = command.source, velocity
        self._made = min(command.stamp, now)
        self._busy = now
        return True

    def is_gripper_command(self, value: float, present: float | None, now: float) -> bool:
        """Return whether the gripper's value, 0..1, differs from the last, or one that is refused.

        Args:
            value: As received, also while nothing may move.
            present: The gripper's command, which counts after a pause; None: there was none yet.
            now: s.
        """
        reference = present
        if self._gripper is not None and now - self._gripper[1] <= _GRIPPER_PAUSE:
            reference = self._gripper[0]
        if reference is not None and abs(value - reference) < _GRIPPER_CHANGE:
            value, is_command = reference, False
        else:
            is_command = True
        if 0.0 <= value <= 1.0:
            self._gripper = value, now
        return is_command

    def take_gripper(self, value: float, gripper: GripperLogic, now: float) -> bool:
        """Command a gripper; see `take`."""
        if not 0.0 <= value <= 1.0:  # NaN as well
            raise Refusal("refused_gripper", f"the gripper goes to {value:g}, must be 0..1")
        gripper.put(value)
        self._counters["teleop_accepted"] += 1
        self._gripped = self._busy = now
        return True

    def sample(self, now: float) -> Setpoint:
        """Return what is wanted now: the last command while it is young, else rest."""
        is_young = now - self._made <= self._settings.timeout
        return Setpoint(self._velocity if is_young else np.zeros_like(self._velocity))

    def stop(self) -> None:
        """Have no command."""
        self._velocity = np.zeros_like(self._velocity)
        self._made = self._gripped = -math.inf
        self._waits = False

    def is_over(self, now: float) -> bool:
        """Return whether the person has not moved anything for the timeout."""
        return now - max(self._made, self._gripped) > self._settings.timeout

    @property
    def end(self) -> tuple[str, str]:
        """Why it is over: the cause of a stop as it is counted, and the reason in words."""
        if self._velocity.any():
            words = f"no command of a person for {self._settings.timeout:g} s (teleop_timeout)"
            return "teleop_silent", words
        return "teleop_released", "the person let go"

    def note_motion(self, now: float) -> None:
        """Note that the arm still moves by a person's commands, once per call of the loop."""
        self._busy, self._waits = now, False

    def check_chunk(self, chunk: ActionChunk) -> None:
        """Check that a chunk was inferred from what the person left.

        Raises:
            Refusal: Its image is older than that.
        """
        if chunk.stamp - self._busy < self._settings.pause:
            pause = f"teleop_pause = {self._settings.pause:g} s after a person moved the arm"
            raise Refusal("refused_teleop", f"its image is from before {pause}")

    def _check_source(self, command: TeleopCommand, moves: bool, now: float) -> None:
        """Check that commands are in order and come from one publisher.

        Raises:
            Refusal: They are not.
        """
        timeout, sources = self._settings.timeout, self._sources
        for name in [name for name, s in sources.items() if now - s.stamp > 2.0 * timeout]:
            del sources[name]
        source = sources.setdefault(command.source, _Source(command.stamp))
        if command.stamp < source.stamp:
            raise Refusal("refused_order", "its stamp is older than that of the command before")
        source.stamp = command.stamp
        if not moves:
            return
        source.moved = now
        if any(s is not source and now - s.moved <= timeout for s in sources.values()):
            self._velocity = np.zeros_like(self._velocity)
            self._busy = now
            raise Refusal("refused_two_publishers", "two publishers command motion at once")


def check_command(
    command: TeleopCommand, profile: RobotProfile, settings: TeleopSettings, now: float
) -> None:
    """Check form, frame and time, in this order.

    Raises:
        Refusal: The command may not be followed.
    """
    velocity, axes = command.velocity, profile.action.all_axes
    if velocity.shape != (len(axes),):
        reason = f"{velocity.shape} velocities, expected {len(axes)}"
        raise Refusal("refused_shape", reason)
    if not np.isfinite(velocity).all():
        raise Refusal("refused_not_finite", "a velocity is not finite")
    if np.abs(velocity).max() > _IMPLAUSIBLE:
        raise Refusal("refused_speed", f"it asks for more than {_IMPLAUSIBLE:g} m/s or rad/s")
    if command.frame not in ("", profile.frame):
        reason = f"it is in frame '{command.frame:.64}', this robot takes '{profile.frame}'"
        raise Refusal("refused_frame", reason)
    _check_age(command.stamp, profile.execution, settings.timeout, now)


def _check_age(stamp: float, execution: Execution, longest: float, now: float) -> None:
    age = now - stamp
    if stamp <= 0.0:
        raise Refusal("refused_stamp_zero", "its stamp is zero")
    if age < -execution.max_future:
        reason = f"its stamp is {-age:.3g} s in the future: do both nodes use the same clock?"
        raise Refusal("refused_stamp_future", reason)
    if age > longest:
        reason = f"its stamp is {age:.3g} s old, teleop_timeout is {longest:g}: a slow network, or"
        raise Refusal("refused_stamp_old", f"{reason} another clock?")


def _speeds(profile: RobotProfile) -> np.ndarray:
    """Return the speed limit of each axis; 0 where there is none."""
    limits = profile.limits
    if not profile.action.cartesian:
        return np.array([limits.joints[name].speed for name in profile.action.joints])
    return np.repeat(
        [limit.speed if limit else 0.0 for limit in (limits.linear, limits.angular)], 3
    )
