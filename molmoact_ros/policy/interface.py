# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a node needs of a policy, wherever it computes; free of torch.

`policy.MolmoActPolicy` computes in this process, `molmoact_ros.remote.RemotePolicy` on a server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from molmoact_ros.answer import ActionStats

from .checkpoint_profile import CheckpointProfile
from .types import Observation, Reasoning


@dataclass(frozen=True)
class PolicyState:
    """How a policy is now, for diagnostics.

    Attributes:
        problem: Why it cannot be asked; empty: it can.
        values: What else is of interest, by name with unit.
    """

    problem: str = ""
    values: Mapping[str, object] = field(default_factory=dict)


class PassChecks(Protocol):
    """What a policy found out about its network's passes (`decoding.PassReport`)."""

    @property
    def captured(self) -> bool:
        """Whether passes run as CUDA graphs."""

    @property
    def seconds(self) -> float:
        """That the checks took."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is not as it should be, for a person."""

    @property
    def compiled(self) -> bool:
        """Whether the network's blocks are a compiled function."""

    @property
    def compile_seconds(self) -> float:
        """That compiling took."""


class Form(Protocol):
    """The form that constrained answers of one kind are kept to."""

    @property
    def learned(self) -> bool:
        """Whether an answer could be learned from."""


class Forms(Protocol):
    """The forms of a policy whose answers are constrained."""

    def __getitem__(self, steered: bool) -> Form: ...


class Policy(Protocol):
    """Turns observations into reasoning; one inference at a time.

    Raised are, besides what `infer` names, the errors of `molmoact_ros.faults`.
    """

    @property
    def profile(self) -> CheckpointProfile:
        """Of the checkpoint."""

    @property
    def stats(self) -> ActionStats:
        """That actions are un-normalised with."""

    @property
    def repeatable(self) -> bool:
        """Whether drafts cannot change an id in any number type."""

    @property
    def pass_report(self) -> PassChecks | None:
        """What `warm_up` found about the passes; None: they were not checked."""

    @property
    def forms(self) -> Forms | None:
        """What constrained answers are kept to; None: they are not."""

    @property
    def drafts_learn(self) -> bool:
        """Whether the answer before the last could be learned from; else passes are wasted."""

    def state(self) -> PolicyState:
        """Return how the policy is now; may be called in any thread."""

    def infer(
        self, observation: Observation, should_stop: Callable[[], bool] | None = None
    ) -> Reasoning:
        """Return the answer for an observation.

        Args:
            observation: Camera images and an instruction.
            should_stop: Asked again and again; when it returns true, the inference is given up, as
                if it had never begun.

        Raises:
            StoppedError: `should_stop` returned true.
            ValueError: The observation cannot be used.
        """

    def warm_up(
        self, n_images: int | None = None, should_stop: Callable[[], bool] | None = None
    ) -> None:
        """Make the first answer as fast as the others; see `MolmoActPolicy.warm_up`."""

    def check_instruction(self, instruction: str) -> None:
        """Refuse an instruction that would put reserved tokens or action strings into the prompt.

        Raises:
            ValueError: Names what the instruction must not hold.
        """

    def relative_depth(self, depth_codes: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Return the picture of the last answer's depth codes, float32 [H, W], 0..1, relative.

        None: there is no decoder, or it is not at hand.
        """

    def close(self) -> None:
        """Free what the policy holds; it cannot be used afterwards."""
