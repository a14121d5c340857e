# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the executor tells about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum


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
