# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A policy and its twin without drafts, which answers the same pictures."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from molmoact_ros.evaluate.actors import Look, PolicyActor
from molmoact_ros.policy import MolmoActPolicy
from molmoact_ros.policy.types import Reasoning


@dataclass(frozen=True)
class TwinAnswer:
    """One picture, answered twice.

    Attributes:
        picture: Hash of the picture.
        drafted: The answer with drafts.
        plain: The answer without.
        seconds: CPU time of `drafted`.
        plain_seconds: CPU time of `plain`.
    """

    picture: int
    drafted: Reasoning
    plain: Reasoning
    seconds: float
    plain_seconds: float

    @property
    def differs(self) -> bool:
        """Whether the ids are not the same: only a tie in the last bits may do that."""
        return self.drafted.ids != self.plain.ids


class TwinActor(PolicyActor):
    """Follows the policy with drafts, and has its twin answer too.

    Attributes:
        answers: All so far.
    """

    def __init__(self, policy: MolmoActPolicy, execute_steps: int = 0) -> None:
        """Share the network of `policy` with a twin that decodes one token per pass."""
        super().__init__(policy, execute_steps)
        plain = MolmoActPolicy(
            policy.model,
            policy.processor,
            depth=policy.depth,
            profile=policy.profile,
            draft_sources=(),
        )
        self._plain = PolicyActor(plain, execute_steps)
        self.answers: list[TwinAnswer] = []

    def answer(self, look: Look) -> Reasoning:
        """Return the drafted policy's answer."""
        plain_seconds, plain = _cpu_seconds(lambda: self._plain.answer(look))
        seconds, drafted = _cpu_seconds(lambda: super(TwinActor, self).answer(look))
        picture = hash(look.rgb.tobytes())
        self.answers.append(TwinAnswer(picture, drafted, plain, seconds, plain_seconds))
        return drafted


def load_float32_policy(checkpoint: Path) -> MolmoActPolicy:
    """Load a checkpoint in float32 on one CPU thread."""
    torch.set_num_threads(1)
    return MolmoActPolicy.from_pretrained(checkpoint, device="cpu", dtype="float32")


def _cpu_seconds(work: Callable[[], Reasoning]) -> tuple[float, Reasoning]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result
