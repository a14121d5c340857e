# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the executor reports about itself: state, outcomes of requests, counters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

# Everything that is counted, so that a reader of the diagnostics sees the zeros too.
COUNTERS = (
    "accepted",
    # What a chunk may have.
    "refused_unreadable", "refused_shape", "refused_horizon", "refused_not_finite",
    "refused_action_space", "refused_names", "refused_frame", "refused_invalid",
    "refused_confidence", "refused_stamp_zero", "refused_stamp_old", "refused_stamp_future",
    "refused_sequence", "refused_two_policies",
    # What the executor or the robot may have.
    "refused_not_enabled", "refused_unhealthy", "refused_no_state", "refused_step_period",
    "refused_duration", "refused_step_size", "refused_gripper", "refused_late", "refused_teleop",
    "approval_expired",
    # A person's commands. Overtaken: a newer one came before the loop used it.
    "teleop_accepted", "teleop_overtaken",
    "teleop_refused_unreadable", "teleop_refused_shape", "teleop_refused_names",
    "teleop_refused_not_finite", "teleop_refused_speed", "teleop_refused_frame",
    "teleop_refused_gripper", "teleop_refused_stamp_zero", "teleop_refused_stamp_old",
    "teleop_refused_stamp_future", "teleop_refused_order", "teleop_refused_two_publishers",
    "teleop_refused_not_enabled", "teleop_refused_unhealthy",
    # Measured states that are dropped.
    "state_unreadable", "state_not_finite", "state_out_of_order", "state_future",
    # Commands that a limit changed.
    "clamped_position", "clamped_velocity", "clamped_acceleration", "clamped_gripper",
    "stopped_no_chunk", "stopped_state", "stopped_clock", "stopped_fault", "stopped_two_policies",
    "stopped_operator", "stopped_teleop_silent", "stopped_teleop_released", "stopped_two_teleop",
    "clock_jumped_back",
    "halted", "halted_following_error", "halted_internal",
)  # fmt: skip


class State(IntEnum):
    """The states; numbers as in ExecutorStatus.msg."""

    DISABLED = 0
    READY = 1
    EXECUTING = 2
    STOPPING = 3
    HALTED = 4
    TELEOP = 5


@dataclass(frozen=True)
class Outcome:
    """The answer to a request such as enable."""

    success: bool
    message: str


@dataclass(frozen=True)
class Status:
    """A snapshot for people and diagnostics; fields as in ExecutorStatus.msg.

    `human` is not in it but on `~/human`: a person moves the arm, or its motion comes to rest.
    """

    state: State
    reason: str
    awaiting_approval: bool
    human: bool
    sequence: int
    step: int
    steps_remaining: int
    confidence: float | None
    counters: Mapping[str, int]
