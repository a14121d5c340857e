# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What goes into the policy and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from molmoact_ros.control import ActionChunk

MAX_OVERRULED = 8  # tokens of one answer; docs/performance.md has how many there were


@dataclass(frozen=True)
class Observation:
    """What the policy gets: camera images and an instruction.

    Attributes:
        images: RGB uint8 [H, W, 3] by camera name, in the order that the checkpoint was trained
            with; trajectory and depth belong to the first.
        instruction: What to do, e.g. "close the box".
        trajectory_hint: float [K, 2] (x, y), 0..255 of the first image: a path drawn by a person,
            which the actions follow instead of one that the model predicts; None: no hint.
        stamp: s on any steady clock, when the images were taken. Only the time between two
            observations counts: it gives how far the robot has followed the last answer, which
            makes the drafts of the next one better. None: not known.
        seconds_left: Until the robot has done what it was last sent, s; where several robots ask,
            the one whose time is up first is answered first. None: nothing is being done.
    """

    images: Mapping[str, NDArray[np.uint8]]
    instruction: str
    trajectory_hint: NDArray[np.float64] | None = None
    stamp: float | None = None
    seconds_left: float | None = None


@dataclass(frozen=True)
class Reasoning:
    """What the model perceives, intends and does; T rows of D values, K points.

    Attributes:
        depth_codes: uint8 [10, 10], 0..127, or None when the answer has no usable depth map.
        trajectory: float64 [K, 2] (x, y), 0..255 of the first image; K is 0 without one.
        trajectory_source: "predicted", or "user" when a hint was followed.
        actions: float64 [T, D] in robot units; NaN where the model wrote no action string.
        valid: Nothing was found wrong; an answer that is not valid must not be executed.
        problems: What was found wrong, a sentence each.
        confidence: 0..1 (`answer.confidence`), None where it was not computed.
        spread: float64 [T, D], standard deviation of each value in its unit, None likewise.
        unnorm_key: Entry of norm_stats that the actions were un-normalised with.
        text: The answer as the model wrote it.
        ids: Token ids of the answer, EOS included.
        forward_passes: Passes of the language model after the prefill.
        tokens_per_pass: Tokens that each of them confirmed.
        drafted: Tokens proposed, by source of the draft.
        accepted: Tokens of those that were kept, by source.
        overruled: Tokens that are not the model's own choice (`constrained`, docs/performance.md).
        timings: Seconds by stage: preprocess, vision, prefill, decode, parse, total; of a server's
            answer also queue, how long it waited there, server, how long it was there, and
            round_trip, from sending to receiving by the robot's clock. The policy node adds
            image_age, from the first image's stamp to the start of the inference.
    """

    depth_codes: NDArray[np.uint8] | None
    trajectory: NDArray[np.float64]
    trajectory_source: Literal["predicted", "user"]
    actions: NDArray[np.float64]
    valid: bool
    problems: tuple[str, ...]
    confidence: float | None = None
    spread: NDArray[np.float64] | None = None
    unnorm_key: str = ""
    text: str = ""
    ids: tuple[int, ...] = ()
    forward_passes: int = 0
    drafted: Mapping[str, int] = field(default_factory=dict)
    accepted: Mapping[str, int] = field(default_factory=dict)
    tokens_per_pass: tuple[int, ...] = ()
    overruled: int = 0
    timings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ActionFormat:
    """What the columns of the actions mean; no file of a checkpoint contains it.

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

    def chunk(self, reasoning: Reasoning, stamp: float, sequence: int) -> ActionChunk:
        """Return what the executor gets when an answer has gone through a message and back.

        Args:
            reasoning: The answer.
            stamp: s, when the picture was taken.
            sequence: Number of the answer.
        """
        confidence = reasoning.confidence
        return ActionChunk(
            values=np.array(reasoning.actions, dtype=np.float64),
            names=self.names,
            action_space=self.action_space,
            step_period=self.step_period,
            stamp=stamp,
            sequence=sequence,
            valid=reasoning.valid,
            confidence=None if confidence is None else float(confidence),
            frame=self.frame_id,
        )
