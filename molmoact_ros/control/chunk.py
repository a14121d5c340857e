# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the policy hands over: a short open-loop sequence of actions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

EE_DELTA = "ee_delta"
EE_POSE = "ee_pose"
JOINT_DELTA = "joint_delta"
JOINT_POSITION = "joint_position"
ACTION_SPACES = (EE_DELTA, EE_POSE, JOINT_DELTA, JOINT_POSITION)


@dataclass(frozen=True)
class ActionChunk:
    """One row per control step, as the policy said it; nothing about it is trusted yet.

    Attributes:
        values: ``[T, D]`` float64, in the units of ``action_space``: m and rad per step
            (``ee_delta``), m and rad (``ee_pose``), rad or m per step (``joint_delta``), rad or m
            (``joint_position``).
        names: The ``D`` columns.
        action_space: One of ``ACTION_SPACES``.
        step_period: s between rows.
        stamp: s; when the image that it was inferred from was taken.
        sequence: Counts up by one for each chunk of one policy run.
        valid: False where the answer had problems.
        confidence: 0..1, None (or NaN) where it was not computed.
        frame: In which the actions are given; empty: the frame that the robot's profile names.
    """

    values: np.ndarray
    names: tuple[str, ...]
    action_space: str
    step_period: float
    stamp: float
    sequence: int
    valid: bool = True
    confidence: float | None = None
    frame: str = ""


@dataclass(frozen=True)
class Refusal:
    """Why something is not executed.

    Attributes:
        counter: Name of the counter that it adds to, e.g. ``refused_not_finite``.
        reason: One sentence for a person.
    """

    counter: str
    reason: str


def chunk_fault(chunk: ActionChunk, max_horizon: int) -> Refusal | None:
    """Return why a chunk is not well formed, None where it is. Looks at no robot."""
    values = chunk.values
    if values.ndim != 2 or values.shape[0] == 0 or values.shape[1] == 0:
        return Refusal("refused_shape", f"values are {values.shape}, expected rows x columns")
    if values.shape[0] > max_horizon:
        return Refusal("refused_horizon", f"{values.shape[0]} rows, max_horizon is {max_horizon}")
    if values.shape[1] != len(chunk.names):
        return Refusal("refused_shape", f"{values.shape[1]} columns but {len(chunk.names)} names")
    if not np.isfinite(values).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(values))[0])
        return Refusal(
            "refused_not_finite",
            f"{chunk.names[column]:.64} of row {row} is {values[row, column]}",
        )
    if not math.isfinite(chunk.step_period) or chunk.step_period <= 0.0:
        return Refusal("refused_shape", f"step_period is {chunk.step_period}, must be > 0")
    confidence = chunk.confidence
    if confidence is not None and not math.isnan(confidence) and not 0.0 <= confidence <= 1.0:
        return Refusal(
            "refused_confidence", f"confidence is {confidence}, must be 0..1, or NaN: not computed"
        )
    return None
