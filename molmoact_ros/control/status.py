# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the executor tells about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from .reference import Position


class State(IntEnum):
    """The states; numbers as in ExecutorStatus.msg."""

    DISABLED = 0
    READY = 1
    EXECUTING = 2
    STOPPING = 3
    HALTED = 4


@dataclass(frozen=True)
class Outcome:
    """The answer to a request such as enable."""

    success: bool
    message: str


@dataclass(frozen=True)
class Command:
    """What the robot is told now; every part of it keeps the limits.

    Attributes:
        stamp: s, when it was computed.
        velocity: ``[6]`` linear m/s and angular rad/s in the profile's frame, or ``[J]``.
        position: The pose or joint positions that belong to it.
        gripper: 0 open .. 1 closed, None: nothing to say.
        final: The last command before silence; its velocity is zero.
    """

    stamp: float
    velocity: np.ndarray
    position: Position
    gripper: float | None
    final: bool = False


@dataclass(frozen=True)
class Status:
    """A snapshot for people and diagnostics; fields as in ExecutorStatus.msg."""

    state: State
    reason: str
    awaiting_approval: bool
    sequence: int
    step: int
    steps_remaining: int
    confidence: float | None
    counters: Mapping[str, int]
