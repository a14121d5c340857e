# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Rules of silence: nothing while motion is off, and no silence that was not preceded by rest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .findings import Finding, compare
from .limits import Limits
from .record import Series

QUIET = 0.25  # s without a command that count as silence
AROUND = 0.1  # s by which a state and a command may pass each other on their ways


def judge_silence(
    stream: Series, silent: list[tuple[float, float]], counts: np.ndarray | None = None
) -> Finding:
    """Judge that nothing was published while the state was disabled or halted.

    Args:
        stream: Of commands.
        silent: From when to when it was, s.
        counts: Which commands count, bool `[N]`; None: all.
    """
    inside = np.zeros(len(stream), dtype=bool)
    for begin, end in silent:
        inside |= (stream.received > begin + AROUND) & (stream.received < end - AROUND)
    if counts is not None:
        inside &= counts
    return Finding("commands while motion is off", len(stream), int(inside.sum()), 0.0)


def judge_rest(pieces: list[Series], limits: Limits, velocities: bool) -> Finding:
    """Judge that each silence, and the end, follows a command of rest."""
    moving = 0
    largest = max(group.acceleration for group in limits.groups) * limits.period**2
    for piece in pieces:
        if velocities:
            moving += bool(piece.values[-1].any())
        elif len(piece) > 1:
            # The step of a ramp's last period may be the last one.
            moving += not np.abs(piece.values[-1] - piece.values[-2]).max() <= largest
    return Finding("silence without rest before", len(pieces), moving, 0.0)


def judge_finite(stream: Series) -> Finding:
    """Judge that all values are numbers."""
    bad = ~np.isfinite(stream.values).all(axis=1)
    return Finding("finite", len(stream), int(bad.sum()), 0.0)


def judge_frames(frames: set[str], limits: Limits, checked: int) -> Iterator[Finding]:
    """Judge that stamped commands name the profile's frame."""
    wrong = sorted(frames - {limits.frame})
    if frames:
        yield Finding("frame of commands", checked, len(wrong), 0.0, ", ".join(map(repr, wrong)))


def judge_gripper(stream: Series, limits: Limits) -> Finding:
    """Judge that no command of the gripper lies beyond open and closed."""
    assert limits.gripper is not None
    low, high = limits.gripper
    outside = np.maximum(low - stream.values, stream.values - high).max(axis=1)
    return compare("gripper", np.where(np.isnan(outside), np.inf, outside), 1e-9)
