# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What one robot asks of a checkpoint that others may use as well; free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .checkpoint_profile import CheckpointProfile
from .types import MAX_OVERRULED

ActionDecoding = Literal["argmax", "expectation"]


@dataclass(frozen=True)
class SessionSettings:
    """One robot's settings.

    Attributes:
        profile: Image size, wording, length of an answer, meaning of the gripper; None: those of
            the checkpoint's own profile.
        unnorm_key: Entry of norm_stats; None: as in the profile, or the checkpoint's own.
        rows: Action rows that an answer must have; None: as in the profile.
        max_new_tokens: Limit of one answer; None: as in the profile.
        action_decoding: "argmax" takes the bin that the model wrote, "expectation" the mean over
            all bins where the model gives one.
        draft_sources: Guesses that speed up decoding (`decoding.SOURCES`); None: all of them.
        constrained: Whether answers are kept to the form of the first well-formed one.
        max_overruled: Tokens of a constrained answer that may be overruled; with more it is not
            valid.
    """

    profile: CheckpointProfile | None = None
    unnorm_key: str | None = None
    rows: int | None = None
    max_new_tokens: int | None = None
    action_decoding: ActionDecoding = "argmax"
    draft_sources: tuple[str, ...] | None = None
    constrained: bool = False
    max_overruled: int = MAX_OVERRULED
