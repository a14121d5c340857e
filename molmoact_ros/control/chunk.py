# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The executor's input: a short open-loop sequence of actions, and why one is refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EE_DELTA = "ee_delta"
EE_POSE = "ee_pose"
JOINT_DELTA = "joint_delta"
JOINT_POSITION = "joint_position"
ACTION_SPACES = (EE_DELTA, EE_POSE, JOINT_DELTA, JOINT_POSITION)


@dataclass(frozen=True)
class ActionChunk:
    """One row per control step, as the policy published it; nothing about it is trusted yet.

    Attributes:
        values: `[T, D]` float64, in the units of `action_space`: m and rad per step (`ee_delta`),
            m and rad (`ee_pose`), rad or m per step (`joint_delta`), rad or m (`joint_position`).
        names: The `D` columns.
        action_space: One of `ACTION_SPACES`.
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


class Refusal(Exception):
    """A chunk, or a person's command, is not executed; the text is one sentence for a person.

    Attributes:
        counter: Name of the counter that it adds to, e.g. `refused_not_finite`.
    """

    def __init__(self, counter: str, reason: str) -> None:
        super().__init__(reason)
        self.counter = counter
