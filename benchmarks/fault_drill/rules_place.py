# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Rules of place: box, cone and joint ranges, and how far the commands run ahead of the robot.

A robot that gets velocities is where its commands have brought it if it follows, and where it was
measured if it does not. So the way that was commanded is added up, and two things are asked:
nowhere on that way may more be missing on the measured one than `max_following_error`, and the
commanded way, from where the robot was measured at its begin, may leave the box or the joint ranges
by no more than that. The ramp of a stop comes on top.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .findings import Finding, compare
from .limits import Group, Limits
from .record import Series
from .turns import angle_between, times, turn_by, turned

HOLD = 0.1  # s that a robot follows a velocity at most, as drivers do
NOTICED = 0.1  # s from when a robot is too far behind until it is stopped
_FEW = 400  # of these points all pairs are looked at
_METRE = 1e-6  # m or rad: a distance that is none


def judge_velocity_places(
    stream: Series, measured: Series, limits: Limits, by_stamp: bool
) -> Iterator[Finding]:
    """Judge where velocities `[N, 6]` or `[N, J]` would bring the robot."""
    at, seen = _times(stream, measured, by_stamp)
    hold = np.clip(np.append(np.diff(at), HOLD), 0.0, HOLD)
    ways = np.cumsum(stream.values * hold[:, None], axis=0)
    ends = at + hold
    for group in limits.groups:
        if limits.cartesian and group.name == "angular":
            yield from _judge_turns(stream.values[:, 3:], hold, ends, seen, measured, group, limits)
            continue
        columns = slice(0, 3) if limits.cartesian else group.part
        places = np.column_stack(
            [np.interp(ends, seen, column) for column in measured.values[:, columns].T]
        )
        start = np.array([np.interp(at[0], seen, c) for c in measured.values[:, columns].T])
        missing = ways[:, group.part] - (places - start)
        yield _behind(group, np.array([_diameter(missing)]))
        low, high = limits.low[_place(group, limits)], limits.high[_place(group, limits)]
        if (start >= low).all() and (start <= high).all():
            allowed = group.following + group.braking
            yield _outside(group, start + ways[:, group.part], low, high, allowed)


def judge_positions(
    stream: Series, measured: Series, limits: Limits, by_stamp: bool
) -> Iterator[Finding]:
    """Judge commanded poses `[N, 7]` or joint positions `[N, J]`: these are kept exactly."""
    at, seen = _times(stream, measured, by_stamp)
    places = np.column_stack([np.interp(at, seen, column) for column in measured.values.T])
    for group in limits.groups:
        if limits.cartesian and group.name == "angular":
            pairs = zip(stream.values[:, 3:], places[:, 3:], strict=True)
            angles = np.array([angle_between(a, b / np.linalg.norm(b)) for a, b in pairs])
            yield _behind(group, angles)
            if limits.cone is not None:
                yield _leaning(stream.values[:, 3:], limits, 0.0)
            continue
        columns = slice(0, 3) if limits.cartesian else group.part
        values = stream.values[:, columns]
        yield _behind(group, np.linalg.norm(values - places[:, columns], axis=1))
        low, high = limits.low[_place(group, limits)], limits.high[_place(group, limits)]
        yield _outside(group, values, low, high, _METRE)


def _judge_turns(
    speeds: np.ndarray,
    hold: np.ndarray,
    ends: np.ndarray,
    seen: np.ndarray,
    measured: Series,
    group: Group,
    limits: Limits,
) -> Iterator[Finding]:
    indices = np.clip(np.searchsorted(seen, ends), 0, len(seen) - 1)
    quaternions = measured.values[:, 3:]
    q = quaternions[max(int(indices[0]) - 1, 0)]
    commanded = np.zeros((len(speeds), 4))
    for i, speed in enumerate(speeds):
        q = times(turn_by(speed * hold[i]), q) if speed.any() else q
        commanded[i] = q / np.linalg.norm(q)
    pairs = zip(commanded, quaternions[indices], strict=True)
    yield _behind(group, np.array([angle_between(a, b) for a, b in pairs]))
    if limits.cone is not None:
        yield _leaning(commanded, limits, group.following + group.braking)


def _behind(group: Group, distances: np.ndarray) -> Finding:
    def detail(index: int) -> str:
        return f"{distances[index]:.4g} commanded but not measured"

    allowed = group.following + group.braking + group.speed * NOTICED
    return compare(f"{group.name} beyond the robot", distances, allowed, detail=detail)


def _outside(
    group: Group, values: np.ndarray, low: np.ndarray, high: np.ndarray, allowed: float
) -> Finding:
    outside = np.maximum(np.maximum(low - values, values - high), 0.0).max(axis=1)
    outside = np.where(np.isnan(values).any(axis=1), np.nan, outside)
    name = "box" if group.name == "linear" else f"range of {group.name}"

    def detail(index: int) -> str:
        return f"{outside[index]:.4g} outside, {allowed:.4g} is allowed"

    return compare(name, outside, allowed, detail=detail)


def _leaning(quaternions: np.ndarray, limits: Limits, more: float) -> Finding:
    assert limits.cone is not None
    tool, direction, largest = limits.cone
    cosines = [float(turned(q, tool) @ direction) for q in quaternions]
    angles = np.arccos(np.clip(cosines, -1.0, 1.0))
    return compare("cone", angles, largest + more + _METRE)


def _place(group: Group, limits: Limits) -> slice:
    return slice(0, 3) if limits.cartesian else group.part


def _times(stream: Series, measured: Series, by_stamp: bool) -> tuple[np.ndarray, np.ndarray]:
    if by_stamp:
        return stream.stamps, measured.stamps
    return stream.received, measured.received


def _diameter(points: np.ndarray) -> float:
    """Return the largest distance between any two of the points `[N, D]`."""
    few = points[:: max(1, len(points) // _FEW)]
    few = np.concatenate([few, points[-1:]])
    return float(np.linalg.norm(few[:, None] - few[None], axis=2).max())
