# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The executor's output: one command per control period."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .pose import Position


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
