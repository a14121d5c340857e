# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Counts of everything that was clamped, refused or stopped."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# All that can happen, so that a reader of the diagnostics sees the zeros too.
NAMES = (
    "accepted",
    "refused_unreadable",
    "refused_shape",
    "refused_horizon",
    "refused_not_finite",
    "refused_action_space",
    "refused_names",
    "refused_frame",
    "refused_invalid",
    "refused_confidence",
    "refused_stamp_zero",
    "refused_stamp_old",
    "refused_stamp_future",
    "refused_sequence",
    "refused_two_policies",
    "refused_not_enabled",
    "refused_unhealthy",
    "refused_no_state",
    "refused_step_period",
    "refused_duration",
    "refused_step_size",
    "refused_gripper",
    "refused_late",
    "approval_expired",
    "state_unreadable",
    "state_not_finite",
    "state_out_of_order",
    "state_future",
    "clamped_position",
    "clamped_velocity",
    "clamped_acceleration",
    "clamped_gripper",
    "stopped_no_chunk",
    "stopped_state",
    "stopped_clock",
    "stopped_fault",
    "stopped_two_policies",
    "clock_jumped_back",
    "halted",
    "halted_following_error",
    "halted_internal",
)


class Counters:
    """Named counters since the start."""

    def __init__(self) -> None:
        self._values = dict.fromkeys(NAMES, 0)

    def add(self, name: str) -> None:
        """Count one event; the name must be one of ``NAMES``."""
        self._values[name] += 1

    @property
    def values(self) -> Mapping[str, int]:
        """All counters, read-only view."""
        return MappingProxyType(self._values)
