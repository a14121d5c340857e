# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The arm of the executor's laboratory: it follows twists, which must keep the limits."""

from __future__ import annotations

import contextlib
import os
import threading

import numpy as np

SPEED, ACCELERATION, PERIOD = 0.3, 1.5, 0.01  # config/robots/tabletop.yaml
HOLD = 0.1  # s that the robot follows a twist at most, as drivers do


class Arm:
    """Follows twists by their stamps, so that a busy machine does not hold it back."""

    def __init__(self, position: np.ndarray) -> None:
        self._lock = threading.Lock()
        self._motion = (position, np.zeros(3), 0.0)  # position at s, and velocity from then on

    def at(self, now: float) -> np.ndarray:
        """Return the position, m."""
        with self._lock:
            return self._at(now)

    def follow(self, velocity: np.ndarray, stamp: float) -> None:
        """Take a twist."""
        with self._lock:
            self._motion = self._at(stamp), velocity, stamp

    def put(self, position: np.ndarray) -> None:
        """Be somewhere else at once, at rest until the next twist."""
        with self._lock:
            self._motion = position, np.zeros(3), 0.0

    def _at(self, now: float) -> np.ndarray:
        position, velocity, stamp = self._motion
        return position + velocity * np.clip(now - stamp, 0.0, HOLD)


def check_limits(twists: list[tuple[float, float, np.ndarray]], still: float = 0.0) -> None:
    """Check speed, and acceleration by the stamps, over a stream of twists.

    Args:
        twists: All of them.
        still: s that the motion may go on by between two twists while the clock stands still.
    """
    velocities = np.array([velocity for _, _, velocity in twists]).reshape(-1, 3)
    assert np.isfinite(velocities).all()
    assert np.linalg.norm(velocities, axis=1).max(initial=0.0) <= SPEED + 1e-9
    changes = np.linalg.norm(np.diff(velocities, axis=0), axis=1)
    periods = np.maximum(np.diff([stamp for _, stamp, _ in twists]), 0.0)
    assert (changes <= 1.001 * ACCELERATION * (periods + still) + 1e-9).all()


def take_priority() -> None:
    """Run this thread as drivers of robots run, where that is permitted."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))
