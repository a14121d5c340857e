# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Watches the sequence numbers of chunks: repeats, restarts, and two policies at once."""

from __future__ import annotations

from dataclasses import dataclass

from .chunk import Refusal

_SHORTEST_LEASE = 1.0  # s
_LEASE_INTERVALS = 1.5
_LONGEST_INTERVAL = 4.0  # s; a restarted policy is not kept waiting for longer than 6 s
_GAP = 10
_MEMORY = 30.0  # s


@dataclass
class _Run:
    """One policy run, as far as it can be told from its numbers: they only go up."""

    head: int
    heard: float
    chunks: int = 1
    interval: float = 0.0

    def extend(self, sequence: int, now: float) -> None:
        self.interval = min(now - self.heard, _LONGEST_INTERVAL)
        self.head, self.heard = sequence, now
        self.chunks += 1

    @property
    def lease(self) -> float:
        """How long it counts as alive after its last chunk, s."""
        return max(_SHORTEST_LEASE, _LEASE_INTERVALS * self.interval)

    def is_alive(self, now: float) -> bool:
        return now - self.heard < self.lease


class SequenceGuard:
    """Accepts the chunks of one policy run, each once and in order.

    A number that does not go up belongs to another run: a policy that was restarted, or a second
    one. It is not accepted while the first run is alive. If it goes on while the first is alive,
    two policies publish at once, and neither is accepted until one of them has been silent for its
    lease: 1.5 times its interval, 1 s at least and 6 s at most.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything, e.g. after a jump of the clock."""
        self._runs: list[_Run] = []
        self._leader: _Run | None = None
        self._last: tuple[int, float] | None = None  # sequence and stamp of the last accepted

    def check(self, sequence: int, stamp: float, now: float) -> Refusal | None:
        """Return why a chunk is not accepted, None where it is the next one."""
        if self._last is not None and self._last == (sequence, stamp):
            return Refusal("refused_sequence", f"sequence {sequence} came twice")
        leader, run = self._leader, self._run_of(sequence, now)
        rivals = [r for r in self._runs if r.chunks > 1 and r is not leader and r.is_alive(now)]
        is_new_leader = leader is None or (run is not leader and not leader.is_alive(now))
        if rivals and not (is_new_leader and rivals == [run]):
            return Refusal(
                "refused_two_policies", "its sequence numbers interleave with another policy's"
            )
        if leader is not None and run is not leader and not is_new_leader:
            if sequence == leader.head:
                leader.heard = now  # a policy that does not count is not one that was restarted
            return Refusal("refused_sequence", f"sequence {sequence} after {leader.head}")
        if self._last is not None and stamp < self._last[1]:
            return Refusal("refused_sequence", "its image is older than that of the last chunk")
        if is_new_leader:
            self._runs = [r for r in self._runs if r is run or r.is_alive(now)]
        self._leader, self._last = run, (sequence, stamp)
        return None

    def _reach(self, run: _Run) -> float:
        # The policy that is followed may have lost any number of chunks on the way; a stray number
        # is only believed to be a run of its own when its neighbours come too.
        return float("inf") if run is self._leader else run.head + _GAP

    def _run_of(self, sequence: int, now: float) -> _Run:
        """Return the run that a number continues, or a new one."""
        self._runs = [r for r in self._runs if r is self._leader or now - r.heard < _MEMORY]
        runs = [run for run in self._runs if run.head < sequence <= self._reach(run)]
        if not runs:
            self._runs.append(_Run(sequence, now))
            return self._runs[-1]
        run = max(runs, key=lambda run: (run.head, run is self._leader))
        run.extend(sequence, now)
        return run
