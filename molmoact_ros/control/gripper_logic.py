# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The gripper's command from the chunk's values: continuous, binary with hysteresis, sticky."""

from __future__ import annotations

from .mapping import GripperAction


class GripperLogic:
    """Turns one value per executed row into the command, 0 open .. 1 closed."""

    def __init__(self, action: GripperAction) -> None:
        self._action = action
        self.reset()

    def reset(self) -> None:
        """Forget what was commanded."""
        self.command: float | None = None
        self._row: tuple[int, int] | None = None
        self._previous: float | None = None
        self._kept = 0

    def follow(self, row: tuple[int, int], value: float) -> bool:
        """Take the value of a row that is executed now, each row once.

        Args:
            row: The chunk's sequence number and the row's.
            value: 0 open .. 1 closed.

        Returns:
            Whether the value had to be clamped.
        """
        if row == self._row:
            return False
        self._row = row
        self.advance(value)
        return not 0.0 <= value <= 1.0

    def advance(self, value: float) -> float:
        """Take the next row's value, 0 open .. 1 closed, and return the command."""
        clipped = min(max(value, 0.0), 1.0)
        if self._action.mode == "continuous":
            self.command = clipped
        elif self._action.mode == "binary":
            self.command = self._binary(clipped)
        else:
            self.command = self._sticky(clipped)
        self._previous = clipped
        return self.command

    def _binary(self, value: float) -> float:
        if value > self._action.close_above:
            return 1.0
        if value < self._action.open_below:
            return 0.0
        if self.command is None:  # no history: the nearer side
            return float(value > 0.5 * (self._action.close_above + self._action.open_below))
        return self.command

    def _sticky(self, value: float) -> float:
        if self.command is None or self._previous is None:
            return float(value > 0.5)
        if self._kept > 0:
            self._kept -= 1
            return self.command
        if abs(value - self._previous) > 0.5:
            self._kept = self._action.sticky_steps - 1
            return float(value > self._previous)
        return self.command
