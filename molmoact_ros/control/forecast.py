# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Rolls the limited motion forward, so that a robot can be told a whole trajectory at once."""

from __future__ import annotations

import numpy as np

from .command import Preview
from .output_settings import JointTrajectoryOutput
from .plan import Schedule
from .sampled import SampledMotion

_LONGEST_RAMP = 10.0  # s
# A trajectory whose last point is over when it arrives is refused by its controller.
_SHORTEST = 0.1  # s


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
        """Have a preview at the next step, e.g. because what was planned is no longer true."""
        self._asked = True

    def is_due(self, moving: bool) -> bool:
        """Count one step of the loop; return whether a preview belongs to it."""
        self._since += 1
        if not self._asked and (not moving or self._since < self._every):
            return False
        self._since, self._asked = 0, False
        return True

    def preview(self, motion: SampledMotion, schedule: Schedule, now: float) -> Preview:
        """Return the motion from ``now`` on: the plan for the horizon, then the ramp to rest.

        Velocities and positions are those that a loop without jitter would publish at the grid
        points to come; between two points the velocity changes by the acceleration at most.
        """
        future, start = motion.mover.copy(), now + motion.lead
        times, positions, velocities = [], [], []
        for tick in range(1, self._horizon + round(_LONGEST_RAMP / self._dt)):
            if schedule.plan is not None and tick <= self._horizon:
                future.step(schedule.sample(start + tick * self._dt))
            else:
                future.brake()
            over = schedule.plan is None or tick >= self._horizon
            resting = over and future.at_rest and tick >= self._shortest
            if resting or tick % self._stride == 0:
                times.append(motion.lead + tick * self._dt)
                positions.append(future.position - 0.5 * self._dt * future.velocity)
                velocities.append(future.velocity)
            if resting:
                break
        return Preview(np.array(times), np.array(positions), np.array(velocities))
