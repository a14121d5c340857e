# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Rules of speed and acceleration.

Stamped commands are judged by their stamps: two neighbours differ by at most the acceleration times
the time between their stamps, and 0.1 %. Commands without a stamp, and those of a clock that is
tampered with, are judged by when they were received. Receiving is late now and then, so between
neighbours, and between commands that are ten apart, three control periods are granted on top of
the measured time: a jump is found at once, a ramp that is a third too steep within ten commands.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .findings import Finding, compare
from .limits import Group, Limits
from .record import Series
from .turns import times as product

STAMPED = 1e-3  # share of the limit that is granted by stamps
TURNS = 6e-3  # the same for poses whose rotation changes its axis: the differences are chords
SLACK = 3  # control periods that are granted where times are those of receiving
APART = (1, 10)  # commands


def judge_velocities(stream: Series, limits: Limits, by_stamp: bool) -> Iterator[Finding]:
    """Judge a stream of velocities `[N, 6]` or `[N, J]` that begins at rest."""
    at = stream.stamps if by_stamp else stream.received
    # Before the first command the robot was at rest.
    at = np.concatenate([at[:1] - limits.period, at])
    velocities = np.concatenate([np.zeros_like(stream.values[:1]), stream.values])
    for group in limits.groups:
        part = velocities[:, group.part]
        yield _speed(group, np.linalg.norm(part, axis=1))
        if by_stamp:
            change = np.linalg.norm(np.diff(part, axis=0), axis=1)
            yield _acceleration(group, change, np.maximum(np.diff(at), 0.0), STAMPED)
            continue
        for apart in APART:
            change = np.linalg.norm(part[apart:] - part[:-apart], axis=1)
            time = at[apart:] - at[:-apart] + SLACK * limits.period
            yield _acceleration(group, change, time, 1e-6)


def judge_stamped_positions(stream: Series, limits: Limits) -> Iterator[Finding]:
    """Judge poses `[N, 7]` by their stamps.

    Between two of them the velocity is their difference over the time between their stamps; the
    acceleration is how that changes, over the longer one of the two times.
    """
    time = np.diff(stream.stamps)
    moved = time > 0.0
    still = stream.values[1:][~moved] - stream.values[:-1][~moved]
    yield compare("motion while the stamp stands still", np.abs(still).max(axis=1, initial=0.0), 0)
    velocities = _differences(stream.values)[moved] / time[moved, None]
    longer = np.maximum(time[moved][1:], time[moved][:-1])
    for group in limits.groups:
        part, granted = velocities[:, group.part], TURNS if group.name == "angular" else STAMPED
        yield _speed(group, np.linalg.norm(part, axis=1), granted)
        yield _acceleration(group, np.linalg.norm(np.diff(part, axis=0), axis=1), longer, granted)


def judge_unstamped_positions(stream: Series, limits: Limits) -> Iterator[Finding]:
    """Judge joint positions `[N, J]` by when they were received.

    The length of a single period is not known, so velocities are taken over ten commands, and one
    period of lateness is granted at both ends.
    """
    at, many = stream.received, APART[-1]
    for group in limits.groups:
        values = stream.values[:, group.part]
        for apart in APART:
            way = np.linalg.norm(values[apart:] - values[:-apart], axis=1)
            time = at[apart:] - at[:-apart] + SLACK * limits.period
            yield _limited(group, "speed", way, group.speed * time, 1e-6)
        way, time = values[many:] - values[:-many], at[many:] - at[:-many]
        velocity = way / np.maximum(time, limits.period)[:, None]
        change = np.linalg.norm(velocity[many:] - velocity[:-many], axis=1)
        span = (at[2 * many :] - at[: -2 * many]) / 2.0
        granted = 2.0 * group.speed * limits.period / np.maximum(span, limits.period)
        if len(change):
            yield _limited(group, "acceleration", change, group.acceleration * span + granted, 1e-6)


def _speed(group: Group, speeds: np.ndarray, tolerance: float = 1e-6) -> Finding:
    return _limited(group, "speed", speeds, np.full(len(speeds), group.speed), tolerance)


def _acceleration(group: Group, change: np.ndarray, time: np.ndarray, tolerance: float) -> Finding:
    def detail(index: int) -> str:
        return f"{change[index]:.4g} per s within {1e3 * time[index]:.2f} ms"

    allowed = group.acceleration * time
    return compare(f"{group.name} acceleration", change, allowed, tolerance, detail)


def _limited(
    group: Group, what: str, values: np.ndarray, allowed: np.ndarray, tolerance: float
) -> Finding:
    def detail(index: int) -> str:
        return f"{values[index]:.4g} where {allowed[index]:.4g} is allowed"

    return compare(f"{group.name} {what}", values, allowed, tolerance, detail)


def _differences(poses: np.ndarray) -> np.ndarray:
    """Return from pose to pose the way and the rotation vector, `[N - 1, 6]`."""
    turns = np.zeros((max(len(poses) - 1, 0), 3))
    for i, (before, after) in enumerate(zip(poses[:-1, 3:], poses[1:, 3:], strict=True)):
        q = product(after, before * np.array([-1.0, -1.0, -1.0, 1.0]))
        turns[i] = 2.0 * q[:3] * (1.0 if q[3] >= 0.0 else -1.0)  # small angles
    return np.concatenate([np.diff(poses[:, :3], axis=0), turns], axis=1)
