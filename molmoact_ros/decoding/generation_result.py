# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What one generation produced and what it cost."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class GenerationResult:
    """One greedy answer.

    Attributes:
        ids: new token ids, EOS included when it was reached.
        ended: whether EOS was reached; False: `max_new_tokens` cut the answer.
        forward_passes: passes of the language model after the prefill.
        tokens_per_pass: how many tokens each of these passes added (the prefill added one more).
        drafted: tokens proposed, per source.
        accepted: proposed tokens that greedy decoding confirmed, per source.
        overruled: tokens of `ids` that are not the model's own choice, as the form forbids that.
        seconds: wall time of "vision" (embedding the prompt and its images), "prefill", "decode".
        probes: position in `ids` -> float32 [len(probe_ids)], the softmax over the probe ids alone,
            for every emitted token that is one of the probe ids.
    """

    ids: list[int]
    ended: bool
    forward_passes: int
    tokens_per_pass: tuple[int, ...] = ()
    drafted: dict[str, int] = field(default_factory=dict)
    accepted: dict[str, int] = field(default_factory=dict)
    overruled: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    probes: dict[int, np.ndarray] = field(default_factory=dict)
