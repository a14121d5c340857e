# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Rules of trajectories: every planned point counts as a command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .findings import Finding, compare
from .limits import Limits
from .record import Preview, Series
from .rules_place import NOTICED

POINTS = 1e-3  # share of the limit that is granted between points
LATE = 2  # control periods by which two messages may differ about the same moment


def judge_previews(
    previews: Sequence[Preview], measured: Series, limits: Limits
) -> Iterator[Finding]:
    """Judge the points of trajectories, and that each goes on where the one before led."""
    finite = [np.isfinite(p.positions).all() and np.isfinite(p.velocities).all() for p in previews]
    yield Finding("finite", len(previews), len(previews) - sum(finite), 0.0)
    previews = [p for p, good in zip(previews, finite, strict=True) if good]
    moving = sum(bool(p.velocities[-1].any()) for p in previews)
    yield Finding("trajectory that does not end at rest", len(previews), moving, 0.0)
    starts = np.array([preview.stamp + preview.times[0] for preview in previews])
    first = np.array([preview.positions[0] for preview in previews])
    led = np.array([_at(*pair) for pair in zip(previews[:-1], starts[1:], strict=True)])
    for j, group in enumerate(limits.groups):
        speeds = [np.abs(p.velocities[:, j]) for p in previews]
        changes = [np.abs(np.diff(p.velocities[:, j])) for p in previews]
        allowed = [group.acceleration * np.diff(p.times) for p in previews]
        places = np.concatenate([p.positions[:, j] for p in previews])
        outside = np.maximum(limits.low[j] - places, places - limits.high[j])
        yield compare(f"{group.name} speed", np.concatenate(speeds), group.speed, POINTS)
        yield compare(
            f"{group.name} acceleration", np.concatenate(changes), np.concatenate(allowed), POINTS
        )
        yield compare(f"range of {group.name}", np.maximum(outside, 0.0), 1e-6)
        missing = np.abs(first[:, j] - np.interp(starts, measured.stamps, measured.values[:, j]))
        beyond = group.following + group.braking + group.speed * NOTICED
        yield compare(f"{group.name} beyond the robot", missing, beyond)
        if len(led):
            step = np.abs(first[1:, j] - led[:, j])
            yield compare(f"{group.name} jump", step, LATE * limits.period * group.speed)


def _at(preview: Preview, time: float) -> np.ndarray:
    """Return where a trajectory is at a time, s; cubic between its points, as controllers do."""
    t = float(np.clip(time - preview.stamp, preview.times[0], preview.times[-1]))
    i = int(np.clip(np.searchsorted(preview.times, t, side="right") - 1, 0, len(preview.times) - 2))
    span = preview.times[i + 1] - preview.times[i]
    u = (t - preview.times[i]) / span
    p0, p1 = preview.positions[i], preview.positions[i + 1]
    v0, v1 = preview.velocities[i] * span, preview.velocities[i + 1] * span
    curve = (2 * u**3 - 3 * u**2 + 1) * p0 + (u**3 - 2 * u**2 + u) * v0
    return np.asarray(curve + (3 * u**2 - 2 * u**3) * p1 + (u**3 - u**2) * v1)
