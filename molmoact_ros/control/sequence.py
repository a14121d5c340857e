# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Watches the sequence numbers of chunks: repeats, restarts, and two policies at once."""

from __future__ import annotations

from .chunk import Refusal

RESTART_SILENCE = 1.0  # s without a chunk after which a lower number is a restarted policy
CONFLICT_WINDOW = 3.0  # s in which two anomalies are a second policy rather than a glitch


class SequenceGuard:
    """Accepts each chunk of one policy run once, in order.

    A policy that was restarted counts from the start again; that takes it longer than
    ``RESTART_SILENCE``. A lower or repeated number without such a silence, or a number of the old
    run after the restart, comes from somewhere else: the first is dropped, a second one within
    ``CONFLICT_WINDOW`` means that two policies publish at once, and nothing is accepted until one
    of them has been silent for as long.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything, e.g. after a jump of the clock."""
        self._last: tuple[int, float] | None = None  # sequence, stamp
        self._heard = float("-inf")
        self._before_restart = -1
        self._restarted = float("-inf")
        self._anomalies: list[float] = []

    def check(self, sequence: int, stamp: float, now: float) -> Refusal | None:
        """Return why a chunk is not accepted, None where it is the next one."""
        silence, self._heard = now - self._heard, now
        self._anomalies = [t for t in self._anomalies if now - t < CONFLICT_WINDOW]
        if self._last == (sequence, stamp):
            return Refusal("refused_sequence", f"sequence {sequence} came twice")
        if self._is_anomaly(sequence, silence, now):
            self._anomalies.append(now)
            if len(self._anomalies) < 2:
                last = self._last[0] if self._last else 0
                return Refusal(
                    "refused_sequence", f"sequence {sequence} after {last}, without a restart"
                )
        if len(self._anomalies) >= 2:
            return Refusal(
                "refused_two_policies", "sequence numbers interleave: two policies publish at once"
            )
        if self._last is not None and sequence <= self._last[0]:
            self._before_restart, self._restarted = self._last[0], now
        self._last = (sequence, stamp)
        return None

    def _is_anomaly(self, sequence: int, silence: float, now: float) -> bool:
        if self._last is None:
            return False
        if sequence <= self._last[0]:
            recently = now - self._restarted < CONFLICT_WINDOW
            return silence < RESTART_SILENCE or recently
        resumed = sequence > self._before_restart >= 0 and self._last[0] <= self._before_restart
        return resumed and sequence > self._last[0] + 1
