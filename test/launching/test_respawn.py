# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""When a policy that has died is started again; the rest is test_launch_run.py's."""

from __future__ import annotations

from molmoact_ros.launching.respawn import Pauses


def test_pauses_grow_to_the_longest() -> None:
    pauses = Pauses()
    assert [pauses.after(lived=2.0) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_long_life_makes_up_for_the_past() -> None:
    pauses = Pauses(first=1.0, longest=60.0, healthy=300.0)
    for _ in range(4):
        pauses.after(lived=299.0)
    assert [pauses.after(lived) for lived in (300.0, 0.0, 0.0)] == [1, 2, 4]
