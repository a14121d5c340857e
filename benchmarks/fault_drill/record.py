# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the recorder notes: every command, measured position and state, with times."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

OFF = (0, 4)  # states DISABLED and HALTED of ExecutorStatus.msg: nothing may be published


@dataclass(frozen=True)
class Series:
    """Samples as arrays.

    Attributes:
        received: s of time.monotonic, `[N]`.
        stamps: s, NaN where the message has none, `[N]`.
        values: `[N, D]`.
    """

    received: np.ndarray
    stamps: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.received)

    def pieces(self, quiet: float) -> list[Series]:
        """Split where nothing was received for longer than `quiet` s."""
        if not len(self):
            return []
        cuts = np.flatnonzero(np.diff(self.received) > quiet) + 1
        ends = [0, *cuts.tolist(), len(self)]
        return [self[a:b] for a, b in zip(ends[:-1], ends[1:], strict=True)]

    def __getitem__(self, part: slice) -> Series:
        return Series(self.received[part], self.stamps[part], self.values[part])


@dataclass
class Samples:
    """One stream of messages, as it grows.

    Attributes:
        frames: Values of `header.frame_id` that were seen.
    """

    received: list[float] = field(default_factory=list)
    stamps: list[float] = field(default_factory=list)
    values: list[list[float]] = field(default_factory=list)
    frames: set[str] = field(default_factory=set)

    def add(self, received: float, stamp: float, values: list[float]) -> None:
        """Add a message; one with another number of values than the first counts as NaN."""
        if self.values and len(values) != len(self.values[0]):
            values = [float("nan")] * len(self.values[0])
        self.values.append(values)
        self.stamps.append(stamp)
        self.received.append(received)

    def series(self) -> Series:
        """Return what came so far."""
        number = len(self.received)
        size = len(self.values[0]) if number else 0
        values = np.array(self.values[:number], dtype=float).reshape(number, size)
        return Series(np.array(self.received[:number]), np.array(self.stamps[:number]), values)


@dataclass(frozen=True)
class Preview:
    """One trajectory message: `times` s after `stamp`, `[P]`; positions `[P, J]`."""

    received: float
    stamp: float
    times: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray


@dataclass
class Record:
    """Everything that was seen.

    Attributes:
        commands: Of each kind of command and each publisher.
        previews: Trajectories by publisher.
        measured: Positions of the robot that were published to the executor.
        states: When each state was received, and its number.
    """

    commands: dict[tuple[str, str], Samples] = field(default_factory=dict)
    previews: dict[str, list[Preview]] = field(default_factory=dict)
    measured: Samples = field(default_factory=Samples)
    states: list[tuple[float, int]] = field(default_factory=list)

    def silent_times(self) -> list[tuple[float, float]]:
        """Return from when to when the executor was in a state without commands, s."""
        times: list[tuple[float, float]] = []
        begin: float | None = -np.inf
        for received, state in self.states:
            if state in OFF and begin is None:
                begin = received
            elif state not in OFF and begin is not None:
                times.append((begin, received))
                begin = None
        if begin is not None:
            times.append((begin, np.inf))
        return times
