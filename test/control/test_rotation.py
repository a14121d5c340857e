# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Rotations: vectors, fixed-axis angles, interpolation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from molmoact_ros.control import rotation

ANGLE = st.floats(-3.0, 3.0)
VECTOR = st.tuples(ANGLE, ANGLE, ANGLE).map(np.array)


@given(VECTOR, VECTOR)
def test_rotation_vectors_go_there_and_back(vector: np.ndarray, point: np.ndarray) -> None:
    q = rotation.from_rotation_vector(vector)
    angle = np.linalg.norm(vector)
    short = vector if angle <= np.pi else vector * (1 - 2 * np.pi / angle)
    np.testing.assert_allclose(rotation.to_rotation_vector(q), short, atol=1e-6)
    back = rotation.rotate(rotation.inverse(q), rotation.rotate(q, point))
    np.testing.assert_allclose(back, point, atol=1e-9)


def test_rpy_turns_about_fixed_axes_in_turn() -> None:
    q = rotation.from_rpy(np.array([np.pi / 2, 0.0, np.pi / 2]))
    # y goes up by the roll and stays up; x goes to y by the yaw.
    np.testing.assert_allclose(rotation.rotate(q, np.array([0, 1.0, 0])), [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(rotation.rotate(q, np.array([1.0, 0, 0])), [0, 1, 0], atol=1e-12)


@given(VECTOR, VECTOR, st.floats(0.0, 1.0))
def test_slerp_and_between_agree(a: np.ndarray, b: np.ndarray, weight: float) -> None:
    qa, qb = rotation.from_rotation_vector(a), rotation.from_rotation_vector(b)
    middle = rotation.slerp(qa, qb, weight)
    whole = np.linalg.norm(rotation.between(qa, qb))
    assert np.linalg.norm(rotation.between(qa, middle)) == pytest.approx(whole * weight, abs=1e-6)
