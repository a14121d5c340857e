# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Trajectories for a JointTrajectoryController: what is planned, ending at rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


@pytest.fixture
def rig(joint_rig: Any) -> Any:
    return joint_rig(
        {"outputs.forward": None, "outputs.joint_trajectory": {}, "action.space": "joint_delta"}
    ).enabled()


def rows(value: Any = 0.05, count: Any = 8) -> Any:
    rows = np.zeros((count, 4))
    rows[:, 0] = value
    return rows


def previews(rig: Any) -> Any:
    return [(t, c.preview) for t, c in rig.commands if c.preview is not None]


def test_every_preview_ends_at_rest_and_keeps_the_limits(rig: Any) -> None:
    for _ in range(3):
        rig.send(rows())
        rig.seconds(0.4)
    rig.seconds(1.0)
    assert len(previews(rig)) >= 10
    for _, preview in previews(rig):
        assert not preview.velocities[-1].any()
        assert (np.diff(preview.times, prepend=0.0) > 0).all() and preview.times[-1] >= 0.1
        assert np.abs(preview.velocities).max() <= 0.8 + 1e-9
        assert np.abs(preview.positions).max() <= 0.9 + 1e-9
        change = np.abs(np.diff(preview.velocities, axis=0)).max(axis=1, initial=0.0)
        assert (change <= 3.0 * np.diff(preview.times) + 1e-9).all()


def test_preview_is_what_happens_next(rig: Any) -> None:
    rig.send(rows())
    rig.seconds(0.31)
    start, preview = previews(rig)[-1]
    rig.seconds(0.3)
    for seconds, position, velocity in zip(
        preview.times, preview.positions, preview.velocities, strict=True
    ):
        if seconds > 0.3:
            break
        then = min(rig.commands, key=lambda item: abs(item[0] - start - seconds))[1]
        np.testing.assert_allclose(then.position, position, atol=1e-6)
        np.testing.assert_allclose(then.velocity, velocity, atol=1e-6)


def test_previews_come_at_their_rate_while_moving_only(rig: Any) -> None:
    rig.seconds(1.0)
    assert len(previews(rig)) == 1, "one at enable, that holds the arm"
    rig.send(rows(count=8))
    rig.seconds(0.75)
    assert 7 <= len(previews(rig)) - 1 <= 9


def test_a_new_chunk_is_published_at_once(rig: Any) -> None:
    """A controller would go on with the chunk before, and jump to where the next message begins."""
    rig.send(rows())
    rig.seconds(0.33)
    _, before = previews(rig)[-1]
    rig.send(rows(-0.05))
    rig.tick()
    start, after = previews(rig)[-1]
    assert after is not before and start == pytest.approx(rig.now)


@pytest.mark.parametrize("after", [0.0, 0.3])
def test_stop_is_published_at_once(rig: Any, after: float) -> None:
    """Also when the arm has not moved yet, although the trajectory before moves it."""
    rig.send(rows())
    rig.seconds(after)
    rig.tick()
    rig.executor.halt("test")
    rig.tick()
    start, preview = previews(rig)[-1]
    assert start == pytest.approx(rig.now)
    moved = np.abs(preview.positions[-1] - rig.commands[-1][1].position).max()
    assert moved <= 0.8**2 / (2 * 3.0) + 1e-6 and not preview.velocities[-1].any()
    rig.seconds(1.0)
    assert rig.commands[-1][1].final
