# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How chunks are executed: timing, splicing, what is accepted."""

from __future__ import annotations

from dataclasses import dataclass

from molmoact_ros.yaml_config import require, require_choice, require_positive

from .bounds import require_range

# s; what is longer is no longer a timeout, and positions are remembered for that long.
_LONGEST = {
    "control_period": 10.0,
    "max_step_period": 10.0,
    "max_duration": 600.0,
    "max_chunk_age": 300.0,
    "max_future": 5.0,
    "state_timeout": 5.0,
    "clock_timeout": 5.0,
    "approval_timeout": 600.0,
}


@dataclass(frozen=True)
class Execution:
    """Timing and acceptance of chunks.

    Attributes:
        rate: Hz, commands per second.
        execute_steps: Rows of each chunk that are executed at most.
        control_period: s per row; None: the chunk's own ``step_period``.
        blend_steps: Rows over which a new chunk fades in over the one that it replaces.
        at_end: When a chunk is done and no other came: ``ramp`` slows down at once, ``hold``
            finishes at the last row's target (outputs that command positions) and rests there.
        max_horizon: Rows; a longer chunk is refused.
        max_step_period: s; a chunk with more between two rows is refused.
        max_duration: s; a chunk whose executed rows last longer is refused: so long, and the ramp,
            an arm goes on at most after its policy has died.
        max_chunk_age: s between a chunk's stamp and its arrival at most.
        max_future: s that a stamp may be ahead of the clock.
        state_timeout: s that the measured pose or joint state may be old.
        clock_timeout: s that the clock may stand still while moving.
        following_window: s that the robot may lag behind its commands; see `Following`.
        require_approval: Each chunk waits for an approval.
        approval_timeout: s that a chunk waits for its approval.
        min_confidence: 0..1; chunks with less, or without any, are refused. 0: not checked.
        execute_invalid: Also execute chunks that the policy marked as invalid.
    """

    rate: float = 100.0
    execute_steps: int = 8
    control_period: float | None = None
    blend_steps: float = 1.0
    at_end: str = "ramp"
    max_horizon: int = 64
    max_step_period: float = 1.0
    max_duration: float = 10.0
    max_chunk_age: float = 5.0
    max_future: float = 0.1
    state_timeout: float = 0.2
    clock_timeout: float = 0.2
    following_window: float = 1.0
    require_approval: bool = False
    approval_timeout: float = 30.0
    min_confidence: float = 0.0
    execute_invalid: bool = False

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        require_range("rate", self.rate, 10.0, 1000.0, "Hz")
        require_range("execute_steps", self.execute_steps, 1, 1000)
        require_range("blend_steps", self.blend_steps, 0.0, 1000.0)
        require_range("max_horizon", self.max_horizon, 1, 1000)
        require_choice(self, "at_end", ("ramp", "hold"))
        require_positive(self, *_LONGEST)
        for key, longest in _LONGEST.items():
            if getattr(self, key) is not None:
                require_range(key, getattr(self, key), 0.0, longest, "s")
        require_range("following_window", self.following_window, 0.1, 5.0, "s")
        require(
            (self.control_period or 0.0) <= self.max_step_period,
            "control_period",
            f"must not be above max_step_period = {self.max_step_period}",
        )
        require_range("min_confidence", self.min_confidence, 0.0, 1.0)

    @property
    def dt(self) -> float:
        """Time between two commands, s."""
        return 1.0 / self.rate

    @property
    def memory(self) -> float:
        """How long a chunk's stamp may have to be looked up, s."""
        wait = self.approval_timeout if self.require_approval else 0.0
        return self.max_chunk_age + wait + 1.0
