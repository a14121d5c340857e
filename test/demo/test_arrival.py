# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""When the gripper counts as arrived."""

import numpy as np

from molmoact_ros.demo.arrival import Arrival

BLOCK = np.array([1.3, 0.7, 0.42])
NEAR, FAR = BLOCK + [0.0, 0.0, 0.03], BLOCK + [0.0, 0.0, 0.06]


def test_arrives_after_a_second_near_and_still() -> None:
    arrival = Arrival()
    answers = [arrival.update(t, NEAR, BLOCK) for t in np.arange(0.0, 1.5, 0.1)]
    assert answers == [False] * 10 + [True] * 5


def test_does_not_arrive_far_away() -> None:
    arrival = Arrival()
    assert not any(arrival.update(t, FAR, BLOCK) for t in np.arange(0.0, 3.0, 0.1))


def test_leaving_starts_the_second_anew() -> None:
    arrival = Arrival()
    for t in np.arange(0.0, 0.8, 0.1):
        arrival.update(t, NEAR, BLOCK)
    arrival.update(0.8, FAR, BLOCK)
    assert not any(arrival.update(t, NEAR, BLOCK) for t in np.arange(0.9, 1.85, 0.1))
    assert arrival.update(2.0, NEAR, BLOCK)


def test_does_not_arrive_while_moving_past() -> None:
    arrival = Arrival()
    for t in np.arange(0.0, 3.0, 0.1):
        passing = BLOCK + [0.03 * np.sin(3.0 * t), 0.0, 0.03]
        assert not arrival.update(t, passing, BLOCK)
