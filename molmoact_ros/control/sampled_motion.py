# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A motion that moves on by whole control periods, sampled when commands are published.

`SampledMotion` samples it now, `Forecast` rolls it forward for outputs that take trajectories. The
limits are kept from one grid point to the next, dt apart; the loop publishes when it runs, a
little early, late, or twice. Between the grid points g and g + dt the velocity is interpolated,

    v(t) = v0 + (v1 - v0) f,    f = (t - g) / dt,

so that two commands, whatever their moments, differ in velocity by at most the acceleration times
the time between them. The position that is published is its integral,

    p(t) = p0 + dt ((f - 1/2 - f^2 / 2) v0 + f^2 / 2 v1),

a quadratic B-spline through the grid's positions p0 and p1 = p0 + dt v1: it stays between them,
hence inside box and range, and its second differences are bounded by the acceleration as well. It
is half a period behind p1, and equal to it at rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .motion import Clamps
from .movers import Mover
from .output_settings import JointTrajectoryOutput
from .plan import Setpoint
from .pose import MotionState, Position, moved_on

_ROUNDING = 1e-9  # s; sums of periods are not exact
_STILL = 1e-12  # m/s or rad/s
_LONGEST_RAMP = 10.0  # s
# A trajectory whose last point is over when it arrives is refused by its controller.
_SHORTEST = 0.1  # s


@dataclass(frozen=True)
class Preview:
    """What is planned from now on, ending at rest; for outputs that take whole trajectories.

    Attributes:
        times: `[K]` s from the command's stamp, rising, > 0.
        positions: `[K, J]`.
        velocities: `[K, J]`, the last row is zero.
    """

    times: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray


class SampledMotion:
    """A mover, the grid point before it, and where between the two the clock is.

    Attributes:
        mover: At the newest grid point, not before the clock.
        lead: s from the clock to that grid point, 0 <= lead < dt.
    """

    def __init__(self, mover: Mover, dt: float) -> None:
        self.mover = mover
        self.lead = 0.0
        self._dt = dt
        self._progress = np.zeros_like(mover.velocity)
        self._start = MotionState(mover.velocity, mover.position)

    def periods(self, seconds: float) -> Iterator[float]:
        """Let the clock go on by `seconds`; yield once per grid point that this needs.

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

    def step(self, setpoint: Setpoint) -> Clamps:
        """Move on to the next grid point, towards a setpoint; return what was clamped."""
        self._start = MotionState(self.mover.velocity, self.mover.position)
        clamps = self.mover.step(setpoint)
        low, high = np.minimum(setpoint.velocity, 0.0), np.maximum(setpoint.velocity, 0.0)
        self._progress += np.clip(self.mover.velocity, low, high) * self._dt
        return clamps

    def progress(self) -> np.ndarray:
        """Return the displacement since the last call that setpoints asked for, `[6]` or `[J]`.

        Commanded positions also fall back: to where a chunk starts, the measured position. For a
        robot that is stuck they go to and fro; what it should have done is only the way there.
        """
        progress, self._progress = self._progress, np.zeros_like(self._progress)
        return progress

    def brake(self) -> None:
        """Move on to the next grid point, slowing down."""
        self._start = MotionState(self.mover.velocity, self.mover.position)
        self.mover.brake()

    def reset(self, position: Position) -> None:
        """Be at rest at a position."""
        self.mover.reset(position)
        self._start = MotionState(self.mover.velocity, position)

    @property
    def at_rest(self) -> bool:
        """Whether the motion and what is published of it have come to rest."""
        return self.mover.at_rest and bool((np.abs(self.velocity) <= _STILL).all())

    @property
    def velocity(self) -> np.ndarray:
        """Velocity at the clock's time, `[6]` or `[J]`."""
        share = 1.0 - self.lead / self._dt
        return self._start.velocity + (self.mover.velocity - self._start.velocity) * share

    @property
    def position(self) -> Position:
        """Position at the clock's time."""
        share = 1.0 - self.lead / self._dt
        velocity, position = self._start
        half = 0.5 * share * share
        change = (share - 0.5 - half) * velocity + half * self.mover.velocity
        return moved_on(position, self._dt * change)


class Forecast:
    """Makes previews at the rate of an output, and at once when asked."""

    def __init__(self, output: JointTrajectoryOutput, dt: float) -> None:
        self._dt = dt
        self._horizon = max(1, round(output.horizon / dt))
        self._stride = max(1, round(output.spacing / dt))
        self._shortest = max(1, round(_SHORTEST / dt))
        self._every = max(1, round(1.0 / (output.rate * dt)))
        self._since = 0
        self._asked = False

    def ask(self) -> None:
        """Make a preview at the next step, e.g. because what was planned is no longer true."""
        self._asked = True

    def is_due(self, moving: bool) -> bool:
        """Count one step of the loop; return whether a preview belongs to it."""
        self._since += 1
        if not self._asked and (not moving or self._since < self._every):
            return False
        self._since, self._asked = 0, False
        return True

    def preview(
        self, motion: SampledMotion, wanted: Callable[[float], Setpoint] | None, now: float
    ) -> Preview:
        """Return the motion from `now` on: what is wanted for the horizon, then the ramp to rest.

        Velocities and positions are those that a loop without jitter would publish at the grid
        points to come; between two points the velocity changes by the acceleration at most.
        """
        future, start = motion.mover.copy(), now + motion.lead
        times, positions, velocities = [], [], []
        for tick in range(1, self._horizon + round(_LONGEST_RAMP / self._dt)):
            if wanted is not None and tick <= self._horizon:
                future.step(wanted(start + tick * self._dt))
            else:
                future.brake()
            over = wanted is None or tick >= self._horizon
            resting = over and future.at_rest and tick >= self._shortest
            if resting or tick % self._stride == 0:
                times.append(motion.lead + tick * self._dt)
                positions.append(future.position - 0.5 * self._dt * future.velocity)
                velocities.append(future.velocity)
            if resting:
                break
        return Preview(np.array(times), np.array(positions), np.array(velocities))
