# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A motion that moves on by whole control periods, read at the moments when commands go out.

The limits are kept from one grid point to the next, dt apart; the loop publishes when it runs, a
little early, late, or twice. Between the grid points g and g + dt the velocity is interpolated,

    v(t) = v0 + (v1 - v0) f,    f = (t - g) / dt,

so that two commands, whatever their moments, differ in velocity by at most the acceleration times
the time between them. The position that goes out is its integral,

    p(t) = p0 + dt ((f - 1/2 - f^2 / 2) v0 + f^2 / 2 v1),

a quadratic B-spline through the grid's positions p0 and p1 = p0 + dt v1: it stays between them,
hence inside box and range, and its second differences are bounded by the acceleration as well. It
is half a period behind p1, and equal to it at rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .movers import Mover
from .reference import Position, Setpoint, moved_on

_ROUNDING = 1e-9  # s; sums of periods are not exact
_STILL = 1e-12  # m/s or rad/s


class SampledMotion:
    """A mover, the grid point before it, and where between the two the clock is.

    Attributes:
        mover: At the newest grid point, not before the clock.
        lead: s from the clock to that grid point, 0 <= lead < dt.
    """

    def __init__(self, mover: Mover[Any], dt: float) -> None:
        self.mover = mover
        self.lead = 0.0
        self._dt = dt
        self._progress = np.zeros_like(mover.velocity)
        self._start: tuple[Position, np.ndarray] = (mover.position, mover.velocity)

    def periods(self, seconds: float) -> Iterator[float]:
        """Let the clock go on by ``seconds``; yield once per grid point that this needs.

        Yields:
            s from the clock to that grid point; negative: it is already over.
        """
        self.lead -= seconds
        count = 0
        while self.lead < -_ROUNDING:
            self.lead += self._dt
            count += 1
        self.lead = max(self.lead, 0.0)
        for left in reversed(range(count)):
            yield self.lead - left * self._dt

    def step(self, setpoint: Setpoint) -> Any:
        """Move on to the next grid point, towards a setpoint; return what was clamped."""
        self._start = (self.mover.position, self.mover.velocity)
        clamps = self.mover.step(setpoint)
        low, high = np.minimum(setpoint.velocity, 0.0), np.maximum(setpoint.velocity, 0.0)
        self._progress += np.clip(self.mover.velocity, low, high) * self._dt
        return clamps

    def progress(self) -> np.ndarray:
        """Return the displacement since the last call that setpoints asked for, ``[6]`` or ``[J]``.

        Commanded positions also fall back: to where a chunk starts, the measured position. For a
        robot that is stuck they go out and back; what it should have done is only the way out.
        """
        progress, self._progress = self._progress, np.zeros_like(self._progress)
        return progress

    def brake(self) -> None:
        """Move on to the next grid point, slowing down."""
        self._start = (self.mover.position, self.mover.velocity)
        self.mover.brake()

    def reset(self, position: Position) -> None:
        """Be at rest at a position."""
        self.mover.reset(position)
        self._start = (position, self.mover.velocity)

    @property
    def at_rest(self) -> bool:
        """Whether the motion has come to its end, and what goes out too."""
        return self.mover.at_rest and bool((np.abs(self.velocity) <= _STILL).all())

    @property
    def velocity(self) -> np.ndarray:
        """Velocity at the clock's time, ``[6]`` or ``[J]``."""
        share = 1.0 - self.lead / self._dt
        return self._start[1] + (self.mover.velocity - self._start[1]) * share

    @property
    def position(self) -> Position:
        """Position at the clock's time."""
        share = 1.0 - self.lead / self._dt
        position, velocity = self._start
        half = 0.5 * share * share
        change = (share - 0.5 - half) * velocity + half * self.mover.velocity
        return moved_on(position, self._dt * change)
