# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Bounded jerk by averaging: the velocity that goes out is the mean of the last N limited ones.

A mean of velocities within their limits is within them, and so is its change; positions become
means of positions inside a convex range, so they stay inside too. With an acceleration of at most
a, the acceleration of the mean changes by at most 2 a / N per period: N = 2 a / (jerk dt).
"""

from __future__ import annotations

import math

import numpy as np

_STILL = 1e-12  # m/s or rad/s; rounding


def samples_for(acceleration: float, jerk: float | None, dt: float) -> int:
    """Return how many velocities to average; 1 where the jerk is not limited."""
    return 1 if jerk is None else max(1, math.ceil(2.0 * acceleration / (jerk * dt) - 1e-9))


class JerkFilter:
    """Holds the last limited velocities, one number of samples per axis or one for all."""

    def __init__(self, samples: tuple[int, ...], dt: float) -> None:
        """Average ``samples[i]`` velocities of axis i."""
        longest = max(samples)
        age = np.arange(longest)[:, None]
        counts = np.array(samples)
        self._weights = np.where(age < counts, 1.0 / counts, 0.0)
        self._lead_weights = np.where(age < counts, dt * (counts - 1 - age) / counts, 0.0)
        self.reset()

    def reset(self) -> None:
        """Be at rest."""
        self._velocities = np.zeros_like(self._weights)  # [N, axes], newest first

    @property
    def newest(self) -> np.ndarray:
        """The last limited velocity, before averaging."""
        return self._velocities[0]

    @property
    def at_rest(self) -> bool:
        """Whether nothing is left to go out; mean zero alone is not rest."""
        return bool((np.abs(self._velocities) <= _STILL).all())

    @property
    def velocity(self) -> np.ndarray:
        """What goes out."""
        return (self._velocities * self._weights).sum(axis=0)

    @property
    def lead(self) -> np.ndarray:
        """How far the limited motion is ahead of what went out, per axis."""
        return (self._velocities * self._lead_weights).sum(axis=0)

    def push(self, velocity: np.ndarray) -> np.ndarray:
        """Take the next limited velocity and return what goes out."""
        if len(self._velocities) > 1:
            self._velocities[1:] = self._velocities[:-1].copy()
        self._velocities[0] = velocity
        return self.velocity

    def copy(self) -> JerkFilter:
        """Return an independent copy."""
        twin = object.__new__(JerkFilter)
        twin.__dict__.update(self.__dict__, _velocities=self._velocities.copy())
        return twin
