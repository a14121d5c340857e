# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The jerk filter of the movers."""

from __future__ import annotations

import numpy as np
import pytest

from molmoact_ros.control.movers import JerkFilter, samples_for


def test_jerk_filter_keeps_the_way_and_knows_its_lead() -> None:
    jerk_filter, dt = JerkFilter((4, 1), 0.01), 0.01
    pushed = np.random.default_rng(0).normal(size=(50, 2))
    pushed[-4:] = 0.0
    went = ahead = np.zeros(2)
    for velocity in pushed:
        ahead = ahead + velocity * dt
        went = went + jerk_filter.push(velocity) * dt
        np.testing.assert_allclose(went + jerk_filter.lead, ahead, atol=1e-12)
    assert not jerk_filter.velocity.any()
    np.testing.assert_allclose(went, pushed.sum(axis=0) * dt)


def test_a_copy_is_independent() -> None:
    original = JerkFilter((4, 1), 0.01)
    original.copy().push(np.ones(2))
    assert original.at_rest


@pytest.mark.parametrize(("jerk", "samples"), [(None, 1), (1000.0, 1), (30.0, 10), (100.0, 3)])
def test_samples_for_jerk(jerk: float | None, samples: int) -> None:
    assert samples_for(1.5, jerk, 0.01) == samples
