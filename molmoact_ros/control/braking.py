# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The braking law: how fast a motion may be so that it can still stop in time.

A motion with speed v needs v^2 / 2a to stop. A command holds for one control period dt before the
next one can brake, so the next speed v' must leave that much after it has been driven for dt:

    d - v' dt >= v'^2 / 2a    <=>    v' <= sqrt((a dt)^2 + 2 a d) - a dt

Whoever keeps this can brake with a in every later period and stays within d: with v'' = v' - a dt
what is needed shrinks by v'' dt + a dt^2 / 2, what is left shrinks by v'' dt.
"""

from __future__ import annotations

import math

import numpy as np

_REST = 1e-12  # m/s or rad/s; rounding must not leave a crumb of motion


def brakable_speed(distance: float, acceleration: float, dt: float) -> float:
    """Return the largest speed for the next period that can still stop within `distance`.

    Args:
        distance: m or rad to the boundary; 0 or less: the boundary is reached.
        acceleration: m/s^2 or rad/s^2, > 0.
        dt: s, one control period.

    Returns:
        m/s or rad/s, >= 0.
    """
    step = acceleration * dt
    return math.sqrt(step * step + 2.0 * acceleration * max(distance, 0.0)) - step


def brakable_speeds(
    distance: np.ndarray, acceleration: np.ndarray | float, dt: float
) -> np.ndarray:
    """`brakable_speed` for several independent axes at once."""
    step = acceleration * dt
    return np.sqrt(step * step + 2.0 * acceleration * np.maximum(distance, 0.0)) - step


def braked(velocity: np.ndarray, change: float) -> np.ndarray:
    """Return `velocity` `[n]` slowed in its own direction by `change`, at most to rest."""
    speed = norm(velocity)
    if speed <= change + _REST:
        return np.zeros_like(velocity)
    return velocity * (1.0 - change / speed)


def braked_each(velocity: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Return `velocity` `[n]` with each axis slowed by its own `change`, at most to rest."""
    slower = velocity - np.clip(velocity, -change, change)
    return np.where(np.abs(velocity) <= change + _REST, 0.0, slower)


def shortened(vector: np.ndarray, longest: float) -> np.ndarray:
    """Return `vector`, or where it is longer than `longest` its direction at that length."""
    length = norm(vector)
    return vector if length <= longest else vector * (longest / length)


def norm(vector: np.ndarray) -> float:
    """Return the Euclidean length of a small vector."""
    return math.sqrt(float(vector @ vector))
