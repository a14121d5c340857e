# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The braking law: in time, not timid, and to exactly zero."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from molmoact_ros.control.braking import brakable_speed, braked


@given(st.floats(0.0, 2.0), st.floats(0.5, 10.0), st.floats(0.005, 0.1))
def test_brakable_speed_stops_in_time_and_is_not_timid(
    distance: float, acceleration: float, dt: float
) -> None:
    speed = brakable_speed(distance, acceleration, dt)
    velocity, travelled = np.array([speed]), speed * dt
    while velocity[0] > 0.0:
        velocity = braked(velocity, acceleration * dt)
        travelled += velocity[0] * dt
    assert travelled <= distance + 1e-9
    assert travelled >= distance - speed * dt - 1e-9, "comes close to the wall"


def test_braking_ends_at_exactly_zero() -> None:
    velocity = np.array([0.3, -0.1, 0.2])
    for _ in range(40):
        velocity = braked(velocity, 0.015)
    assert not velocity.any()
