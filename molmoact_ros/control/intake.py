# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether a chunk may be executed at all, before anything is computed from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .chunk import ActionChunk, Refusal
from .robot_profile import Execution, RobotProfile

_SHORTEST_LEASE = 1.0  # s
_LEASE_INTERVALS = 1.5
_LONGEST_INTERVAL = 4.0  # s; a restarted policy is not kept waiting for longer than 6 s
_GAP = 10
_MEMORY = 30.0  # s


def check_chunk(chunk: ActionChunk, profile: RobotProfile, now: float) -> None:
    """Check form, meaning, trust and time, in this order.

    Args:
        chunk: As it was received.
        profile: Of the robot, with the limits of what is accepted.
        now: s.

    Raises:
        Refusal: The chunk may not be executed.
    """
    _check_form(chunk, profile.execution.max_horizon)
    _check_meaning(chunk, profile)
    _check_trust(chunk, profile.execution)
    _check_age(chunk, profile.execution, now)
    _check_period(chunk, profile.execution)


def _check_form(chunk: ActionChunk, max_horizon: int) -> None:
    values, confidence = chunk.values, chunk.confidence
    if values.ndim != 2 or values.shape[0] == 0 or values.shape[1] == 0:
        raise Refusal("refused_shape", f"values are {values.shape}, expected rows x columns")
    if values.shape[0] > max_horizon:
        raise Refusal("refused_horizon", f"{values.shape[0]} rows, max_horizon is {max_horizon}")
    if values.shape[1] != len(chunk.names):
        raise Refusal("refused_shape", f"{values.shape[1]} columns but {len(chunk.names)} names")
    if not np.isfinite(values).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(values))[0])
        reason = f"{chunk.names[column]:.64} of row {row} is {values[row, column]}"
        raise Refusal("refused_not_finite", reason)
    if not math.isfinite(chunk.step_period) or chunk.step_period <= 0.0:
        raise Refusal("refused_shape", f"step_period is {chunk.step_period}, must be > 0")
    if confidence is not None and not math.isnan(confidence) and not 0.0 <= confidence <= 1.0:
        reason = f"confidence is {confidence}, must be 0..1, or NaN: not computed"
        raise Refusal("refused_confidence", reason)


def _check_meaning(chunk: ActionChunk, profile: RobotProfile) -> None:
    action = profile.action
    if chunk.action_space != action.space:
        reason = f"action space is '{chunk.action_space:.64}', this robot takes '{action.space}'"
        raise Refusal("refused_action_space", reason)
    if sorted(chunk.names) != sorted(action.columns):
        names, expected = " ".join(chunk.names[:64]), " ".join(action.columns)
        reason = f"{len(chunk.names)} columns [{names:.500}], expected [{expected}]"
        raise Refusal("refused_names", reason)
    frame = action.tool_frame if action.frame == "tool" else profile.frame
    if chunk.frame not in ("", frame):
        takes = f"this robot takes '{frame}'" if frame else "action.tool_frame is empty"
        raise Refusal("refused_frame", f"its actions are in frame '{chunk.frame[:64]}', {takes}")


def _check_trust(chunk: ActionChunk, execution: Execution) -> None:
    if not chunk.valid and not execution.execute_invalid:
        raise Refusal("refused_invalid", "the policy marked it as invalid")
    least = execution.min_confidence
    if least > 0.0 and chunk.confidence is None:
        raise Refusal("refused_confidence", f"no confidence, min_confidence is {least}")
    if least > 0.0 and not (chunk.confidence or 0.0) >= least:
        reason = f"confidence {chunk.confidence}, min_confidence is {least}"
        raise Refusal("refused_confidence", reason)


def _check_age(chunk: ActionChunk, execution: Execution, now: float) -> None:
    age = now - chunk.stamp
    if chunk.stamp <= 0.0:
        raise Refusal("refused_stamp_zero", "its stamp is zero")
    if age < -execution.max_future:
        reason = f"its stamp is {-age:.3g} s in the future: do both nodes use the same clock?"
        raise Refusal("refused_stamp_future", reason)
    if age > execution.max_chunk_age:
        reason = f"its stamp is {age:.3g} s old, max_chunk_age is {execution.max_chunk_age}"
        raise Refusal("refused_stamp_old", reason)


def _check_period(chunk: ActionChunk, execution: Execution) -> None:
    period, longest = chunk.step_period, execution.max_step_period
    if period > longest:
        reason = f"step_period is {period:g} s, max_step_period is {longest:g}"
        raise Refusal("refused_step_period", reason)
    period = execution.control_period or period
    if period < execution.dt:
        raise Refusal("refused_shape", f"step_period {period:g} s is below 1 / rate")
    duration = min(len(chunk.values), execution.execute_steps) * period
    if duration > execution.max_duration:
        reason = f"its rows last {duration:g} s, max_duration is {execution.max_duration:g}"
        raise Refusal("refused_duration", reason)


@dataclass
class _Run:
    """One policy run, as far as its sequence numbers show it: they only go up."""

    head: int
    received: float
    chunks: int = 1
    interval: float = 0.0

    def extend(self, sequence: int, now: float) -> None:
        self.interval = min(now - self.received, _LONGEST_INTERVAL)
        self.head, self.received = sequence, now
        self.chunks += 1

    def is_alive(self, now: float) -> bool:
        return now - self.received < max(_SHORTEST_LEASE, _LEASE_INTERVALS * self.interval)


class SequenceGuard:
    """Accepts the chunks of one policy run, each once and in order.

    A number that does not go up belongs to another run: a policy that was restarted, or a second
    one. It is not accepted while the first run is alive. If it goes on while the first is alive,
    two policies publish at once, and neither is accepted until nothing has been received from one
    of them for its lease: 1.5 times its interval, 1 s at least and 6 s at most.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything, e.g. after a jump of the clock."""
        self._runs: list[_Run] = []
        self._leader: _Run | None = None
        self._last: tuple[int, float] | None = None  # sequence and stamp of the last accepted

    def check(self, sequence: int, stamp: float, now: float) -> None:
        """Check that a chunk is the next one.

        Raises:
            Refusal: It is a repeated, an older or another policy's chunk.
        """
        if self._last is not None and self._last == (sequence, stamp):
            raise Refusal("refused_sequence", f"sequence {sequence} came twice")
        leader, run = self._leader, self._run_of(sequence, now)
        rivals = [r for r in self._runs if r.chunks > 1 and r is not leader and r.is_alive(now)]
        is_new_leader = leader is None or (run is not leader and not leader.is_alive(now))
        if rivals and not (is_new_leader and rivals == [run]):
            reason = "its sequence numbers interleave with another policy's"
            raise Refusal("refused_two_policies", reason)
        if leader is not None and run is not leader and not is_new_leader:
            if sequence == leader.head:
                leader.received = now  # a policy that does not count is not one that was restarted
            raise Refusal("refused_sequence", f"sequence {sequence} after {leader.head}")
        if self._last is not None and stamp < self._last[1]:
            raise Refusal("refused_sequence", "its image is older than that of the last chunk")
        if is_new_leader:
            self._runs = [r for r in self._runs if r is run or r.is_alive(now)]
        self._leader, self._last = run, (sequence, stamp)

    def _run_of(self, sequence: int, now: float) -> _Run:
        """Return the run that a number continues, or a new one."""
        self._runs = [r for r in self._runs if r is self._leader or now - r.received < _MEMORY]
        # The policy that is followed may have lost any number of chunks on the way; a stray number
        # only counts as a run of its own when its neighbours are received too.
        runs = [
            run
            for run in self._runs
            if run.head < sequence and (run is self._leader or sequence <= run.head + _GAP)
        ]
        if not runs:
            self._runs.append(_Run(sequence, now))
            return self._runs[-1]
        run = max(runs, key=lambda run: (run.head, run is self._leader))
        run.extend(sequence, now)
        return run
