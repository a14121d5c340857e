# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Rotations of the arm and of the judge: quaternions (x, y, z, w) as arrays, angles in rad."""

from __future__ import annotations

import numpy as np


def times(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the product: first `b`, then `a`."""
    vector = a[3] * b[:3] + b[3] * a[:3] + np.cross(a[:3], b[:3])
    return np.append(vector, a[3] * b[3] - a[:3] @ b[:3])


def turn_by(rotation_vector: np.ndarray) -> np.ndarray:
    """Return the quaternion of a rotation vector `[3]`."""
    angle = float(np.linalg.norm(rotation_vector))
    if angle < 1e-12:
        return np.append(rotation_vector / 2.0, 1.0)
    return np.append(rotation_vector / angle * np.sin(angle / 2), np.cos(angle / 2))


def turned(q: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Return a vector `[3]` turned by a unit quaternion."""
    return vector + 2.0 * np.cross(q[:3], np.cross(q[:3], vector) + q[3] * vector)


def angle_between(a: np.ndarray, b: np.ndarray) -> float:
    """Return the angle of the rotation from `a` to `b`, both unit quaternions."""
    return 2.0 * float(np.arccos(np.clip(abs(a @ b), 0.0, 1.0)))


def shortest(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the quaternion that turns one unit vector into another."""
    w = 1.0 + float(source @ target)
    if w < 1e-9:  # opposite: half a turn about any axis that is at right angles
        axis = np.cross(source, np.eye(3)[int(np.argmin(np.abs(source)))])
        return np.append(axis / np.linalg.norm(axis), 0.0)
    q = np.append(np.cross(source, target), w)
    return q / np.linalg.norm(q)
