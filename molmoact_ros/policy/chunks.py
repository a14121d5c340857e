# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From an answer to the chunk that the executor takes. No ROS and no torch in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from molmoact_ros.control import ActionChunk

from .types import Reasoning


@dataclass(frozen=True)
class ActionFormat:
    """What the columns of the actions mean; the checkpoint does not say.

    Attributes:
        action_space: One of `control.ACTION_SPACES`.
        names: One name per column.
        step_period: s between rows.
        frame_id: Frame in which the actions are given; empty: that of the robot's profile.
    """

    action_space: str
    names: tuple[str, ...]
    step_period: float
    frame_id: str


def action_chunk(
    reasoning: Reasoning, form: ActionFormat, stamp: float, sequence: int
) -> ActionChunk:
    """Return what the executor gets when an answer has gone through a message and back.

    Args:
        reasoning: The answer.
        form: What its columns mean.
        stamp: s, when the picture was taken.
        sequence: Number of the answer.
    """
    confidence = reasoning.confidence
    return ActionChunk(
        values=np.array(reasoning.actions, dtype=np.float64),
        names=form.names,
        action_space=form.action_space,
        step_period=form.step_period,
        stamp=stamp,
        sequence=sequence,
        valid=reasoning.valid,
        confidence=None if confidence is None else float(confidence),
        frame=form.frame_id,
    )
