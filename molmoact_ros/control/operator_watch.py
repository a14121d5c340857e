# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether a person looks on: a heartbeat that has to come in time."""

from __future__ import annotations


class OperatorWatch:
    """Judges heartbeats by a clock that never jumps, whatever happens to the robot's clock."""

    def __init__(self, timeout: float) -> None:
        """Watch.

        Args:
            timeout: s without a heartbeat after which nobody looks on; 0: nobody has to.
        """
        self._timeout = timeout
        self._last: float | None = None

    def beat(self, steady: float) -> None:
        """Note a heartbeat that came at ``steady``, s of the clock that never jumps."""
        self._last = steady

    def problem(self, steady: float) -> str | None:
        """Return what is missing at ``steady``, s; None: nothing."""
        if self._timeout == 0.0:
            return None
        if self._last is None:
            return "no ~/operator_heartbeat has come (parameter operator_heartbeat)"
        if steady - self._last <= self._timeout:
            return None
        return f"no ~/operator_heartbeat for {self._timeout:g} s (parameter operator_heartbeat)"
