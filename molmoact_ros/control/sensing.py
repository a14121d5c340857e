# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The inputs beside the chunks, and whether they are healthy: state, clock, operator."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass

import numpy as np

from . import rotation
from .pose import Pose, Position, interpolated
from .robot_profile import Execution

_ANOTHER_CLOCK = 60.0  # s; so old a stamp was not made by this clock
_CLOCKS = ": do both sides use the same clock (use_sim_time)?"
_MOST_PERIODS = 3  # control periods that one step makes up for at most after a late call


class Sensing:
    """Measured positions of the last seconds; a bad one is counted and dropped, the others age."""

    def __init__(self, name: str, execution: Execution, counters: dict[str, int]) -> None:
        """Watch the input called `name`, e.g. `ee_pose`."""
        self._name = name
        self._execution = execution
        self._counters = counters
        self._entries: deque[tuple[float, Position]] = deque()  # in order of their stamps, s
        self._ahead = 0.0  # s that the last stamp was in the future

    def clear(self) -> None:
        """Forget everything, e.g. after a jump of the clock."""
        self._entries.clear()

    def observe(self, position: Position, stamp: float, now: float) -> None:
        """Take a measured position, taken at `stamp`."""
        try:
            position = _checked(position)
        except ValueError:
            self._counters["state_not_finite"] += 1
            return
        self._ahead = stamp - now
        if self._ahead > self._execution.max_future:
            self._counters["state_future"] += 1
        elif self._entries and stamp <= self._entries[-1][0]:
            self._counters["state_out_of_order"] += 1
        else:
            self._entries.append((stamp, position))
            while self._entries[0][0] < stamp - self._execution.memory:
                self._entries.popleft()

    @property
    def latest(self) -> tuple[float, Position] | None:
        """The newest stamp, s, and position."""
        return self._entries[-1] if self._entries else None

    def at(self, stamp: float) -> Position | None:
        """Return where the robot was at `stamp`, None where no measurement is near enough."""
        entries, tolerance = self._entries, self._execution.state_timeout
        after = bisect_left(entries, stamp, key=lambda entry: entry[0])
        if after == len(entries):
            close = entries and stamp - entries[-1][0] <= tolerance
            return entries[-1][1] if close else None
        if after == 0:
            return entries[0][1] if entries[0][0] - stamp <= tolerance else None
        (t0, before), (t1, behind) = entries[after - 1], entries[after]
        if min(stamp - t0, t1 - stamp) > tolerance:
            return None
        return interpolated(before, behind, (stamp - t0) / (t1 - t0))

    def problem(self, now: float) -> str | None:
        """Return why the robot may not move on what is known, None where all is well."""
        if self._ahead > self._execution.max_future:
            return f"{self._name} has stamps {self._ahead:.3g} s in the future{_CLOCKS}"
        if self.latest is None:
            return f"nothing came on {self._name} yet"
        age = now - self.latest[0]
        if age <= self._execution.state_timeout:
            return None
        return (
            f"{self._name} is {age:.3g} s old, state_timeout is {self._execution.state_timeout}"
            f"{_CLOCKS if age > _ANOTHER_CLOCK else ''}"
        )


def _checked(position: Position) -> Position:
    """Return a position with a unit quaternion.

    Raises:
        ValueError: It is not finite, or its quaternion is zero.
    """
    if isinstance(position, Pose):
        orientation = rotation.normalised(position.orientation)
        position = Pose(position.position, orientation)
    values = position.position if isinstance(position, Pose) else position
    if not np.isfinite(values).all():
        raise ValueError("a measured position must be finite")
    return position


@dataclass(frozen=True)
class Advance:
    """What the clock did since the last call.

    Attributes:
        motion: s that the motion moves on by; never more than `elapsed` while the clock runs.
        elapsed: s that the clock went on, >= 0.
        jumped_back: s that it went backwards, 0: it did not.
    """

    motion: float
    elapsed: float = 0.0
    jumped_back: float = 0.0


class ClockWatch:
    """Turns readings of the clock that stamps are compared with into time for the motion."""

    def __init__(self, dt: float, timeout: float) -> None:
        """Control periods of `dt`; standing still for `timeout` is a fault. Both in s."""
        self._dt = dt
        self._timeout = timeout
        self._last: float | None = None
        self._still = 0.0  # s that the clock has not moved

    @property
    def stands_still(self) -> bool:
        """Whether it has stood still for longer than the timeout."""
        return self._still >= self._timeout

    def advance(self, now: float) -> Advance:
        """Take a reading; called once per control period of the loop."""
        before, self._last = self._last, now
        if before is None or now < before:
            self._still = 0.0
            return Advance(self._dt, jumped_back=0.0 if before is None else before - now)
        elapsed = now - before
        if elapsed == 0.0:
            self._still += self._dt
            # The loop itself is the only clock left: enough to slow down by.
            return Advance(self._dt if self.stands_still else 0.0)
        self._still = 0.0
        return Advance(min(elapsed, _MOST_PERIODS * self._dt), elapsed)


class OperatorWatch:
    """Judges heartbeats by a clock that never jumps, whatever happens to the robot's clock."""

    def __init__(self, timeout: float) -> None:
        """Watch.

        Args:
            timeout: s without a heartbeat after which nobody looks on; 0: nobody has to.
        """
        self._timeout = timeout
        self._last: float | None = None

    def beat(self, steady: float) -> None:
        """Note a heartbeat that came at ``steady``, s of the clock that never jumps."""
        self._last = steady

    def problem(self, steady: float) -> str | None:
        """Return what is missing at ``steady``, s; None: nothing."""
        if self._timeout == 0.0:
            return None
        if self._last is None:
            return "no ~/operator_heartbeat has come (parameter operator_heartbeat)"
        if steady - self._last <= self._timeout:
            return None
        return f"no ~/operator_heartbeat for {self._timeout:g} s (parameter operator_heartbeat)"
