# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The measured state of the robot: what came, how old it is, where the robot was at a stamp."""

from __future__ import annotations

import numpy as np

from . import rotation
from .counters import Counters
from .execution import Execution
from .history import StateHistory
from .pose import Pose
from .reference import Position

_ANOTHER_CLOCK = 60.0  # s; so old a stamp was not made by this clock
_CLOCKS = ": do both sides use the same clock (use_sim_time)?"


class Sensing:
    """Takes poses or joint positions; a bad one is counted and dropped, the last good one ages."""

    def __init__(self, name: str, execution: Execution, counters: Counters) -> None:
        """Watch the input called ``name``, e.g. ``ee_pose``."""
        self._name = name
        self._execution = execution
        self._counters = counters
        self._history = StateHistory(execution.memory)
        self._ahead = 0.0  # s that the last stamp was in the future

    def clear(self) -> None:
        """Forget everything, e.g. after a jump of the clock."""
        self._history.clear()

    def observe(self, position: Position, stamp: float, now: float) -> None:
        """Take a measured position, taken at ``stamp``."""
        values = (
            np.concatenate([position.position, position.orientation])
            if isinstance(position, Pose)
            else position
        )
        if not np.isfinite(values).all():
            self._counters.add("state_not_finite")
            return
        self._ahead = stamp - now
        if self._ahead > self._execution.max_future:
            self._counters.add("state_future")
            return
        if isinstance(position, Pose):
            try:
                orientation = rotation.normalised(position.orientation)
            except ValueError:
                self._counters.add("state_not_finite")
                return
            position = Pose(position.position, orientation)
        if not self._history.add(stamp, position):
            self._counters.add("state_out_of_order")

    @property
    def latest(self) -> tuple[float, Position] | None:
        """The newest stamp, s, and position."""
        return self._history.latest

    def at(self, stamp: float) -> Position | None:
        """Return where the robot was at ``stamp``, None where that is not known."""
        return self._history.at(stamp, self._execution.state_timeout)

    def problem(self, now: float) -> str | None:
        """Return why the robot may not move on what is known, None where all is well."""
        if self._ahead > self._execution.max_future:
            return f"{self._name} has stamps {self._ahead:.3g} s in the future{_CLOCKS}"
        if self._history.latest is None:
            return f"nothing came on {self._name} yet"
        age = now - self._history.latest[0]
        if age <= self._execution.state_timeout:
            return None
        return (
            f"{self._name} is {age:.3g} s old, state_timeout is {self._execution.state_timeout}"
            f"{_CLOCKS if age > _ANOTHER_CLOCK else ''}"
        )
