# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is checked: a checkpoint, or random weights of a released size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from molmoact_ros.answer import ActionTokenizer
from molmoact_ros.decoding import Draft, TokenDraft, TokenTree
from molmoact_ros.decoding.tree import ROOT
from molmoact_ros.model import MolmoActConfig, MolmoActForActionReasoning
from molmoact_ros.model.loading import LoadProgress, fill_model, random_model
from molmoact_ros.model.memory import MemoryShortError, Precision, check_memory, free_bytes
from molmoact_ros.model.quantization import make_quantizer
from molmoact_ros.policy.model_input import model_input
from molmoact_ros.policy.preflight import PolicyRequest, Preflight, check_policy

from .prompts import moving_picture, random_prompt
from .released import released_config

CONTEXT_LENGTH = 1600  # tokens of prompt and answer
_IMAGES, _TEXT_TOKENS = 2, 175  # with 7B-D's 784 image tokens: 959, a usual prompt
_RANDOM_ANSWER = 128  # tokens, which is enough to compare
_STRAY = 10  # tokens from one wrong guess of a RecordedDraft to the next

MakeModel = Callable[[Callable[[LoadProgress], None]], MolmoActForActionReasoning]
MakeDraft = Callable[[Sequence[int]], TokenDraft]


@dataclass(frozen=True)
class Subject:
    """A network that is not loaded yet, and what to ask it.

    Attributes:
        name: For the report; without the folders of a path.
        config: Of the network.
        precision: Of its weights.
        load: Loads it; called with a function that it calls with its progress.
        prompts: Returns the batch of the prompt with this number.
        max_new_tokens: Of an answer.
        make_drafts: Returns a function that returns the draft for the next answer, of which it is
            given the plain ids.
    """

    name: str
    config: MolmoActConfig
    precision: Precision
    load: MakeModel
    prompts: Callable[[int], Mapping[str, Any]]
    max_new_tokens: int
    make_drafts: Callable[[], MakeDraft]


def random_subject(name: str, device: torch.device, precision: Precision) -> Subject:
    """Prepare random weights of one of `released.RELEASED`.

    Raises:
        MemoryShortError: They do not fit; the text names what would.
        ValueError: The quantisation is not to be had on the device.
    """
    config = released_config(name)
    if precision.quantization is not None:
        make_quantizer(precision.quantization, device, precision.dtype)
    with torch.device("meta"):
        empty = MolmoActForActionReasoning(config)
    shapes = {key: tuple(weights.shape) for key, weights in empty.named_parameters()}
    check_memory(config, shapes, device, precision, free_bytes(device), CONTEXT_LENGTH)
    vocab_size = config.llm_config.vocab_size
    return Subject(
        f"random weights of {name}",
        config,
        precision,
        lambda progress: random_model(MolmoActForActionReasoning, config, precision, device),
        lambda number: random_prompt(config, number, _IMAGES, _TEXT_TOKENS),
        _RANDOM_ANSWER,
        lambda: lambda ids: RecordedDraft(ids, vocab_size),
    )


def checkpoint_subject(request: PolicyRequest) -> Subject:
    """Look at a checkpoint.

    Raises:
        CheckpointError: The checkpoint or a setting is wrong; all problems are named.
        MemoryShortError: Only memory or a file that others hold stands in the way.
    """
    found = check_policy(request)
    if found.problems and set(found.problems) <= set(found.passing):
        raise MemoryShortError("; ".join(found.problems))
    found.require()
    assert found.config and found.precision and found.profile and found.directory
    profile = found.profile

    def prompt(number: int) -> Mapping[str, Any]:
        assert found.processor
        pictures = [moving_picture(number)] * len(profile.prompt.cameras)
        return model_input(found.processor, profile, pictures, "reach the red block", None)

    return Subject(
        f"checkpoint {found.directory.name}",
        found.config,
        found.precision,
        lambda progress: _load(found, progress),
        prompt,
        profile.answer.max_new_tokens,
        lambda: _learning_draft(found),
    )


class RecordedDraft:
    """Knows the answer and proposes it, with a wrong guess every few tokens.

    Where it strays, the right token is on a side branch, so that all ways by which a decoder takes
    tokens are used, whatever the weights are.
    """

    def __init__(self, answer: Sequence[int], vocab_size: int) -> None:
        """Take the plain ids of the answer."""
        self._answer, self._vocab_size = list(answer), vocab_size
        self._known = 0

    def begin(self) -> None:
        """See TokenDraft."""
        self._known = 0

    def extend(self, tokens: Sequence[int]) -> None:
        """See TokenDraft."""
        self._known += len(tokens)

    def propose(self, limit: int, provisional: Sequence[int] = ()) -> TokenTree:
        """See TokenDraft."""
        start = self._known + len(provisional)
        tokens: list[int] = []
        parents: list[int] = []
        for position, token in enumerate(self._answer[start : start + limit], start=start):
            parent = len(tokens) - 1 if tokens else ROOT
            if position % _STRAY == 0:
                tokens += [(token + 1) % self._vocab_size, token]
                parents += [parent, parent]
                break
            tokens.append(token)
            parents.append(parent)
        count = len(tokens)
        return TokenTree(tuple(tokens), tuple(parents), ("recorded",) * count, (1.0,) * count).cut(
            limit
        )


def _load(found: Preflight, progress: Callable[[LoadProgress], None]) -> MolmoActForActionReasoning:
    assert found.plan and found.precision and found.device
    return fill_model(found.plan, found.precision, found.device, progress)


def _learning_draft(found: Preflight) -> MakeDraft:
    """Return the policy's own draft, which learns from each answer before the next."""
    assert found.config and found.processor and found.stats and found.profile
    tokenizer = found.processor.tokenizer
    draft = Draft.from_tokenizer(
        tokenizer, ActionTokenizer(found.config.action_codebook), tokenizer.eos_token_id,
        rows=found.profile.answer.rows or 8, columns=found.stats.dof,
    )  # fmt: skip
    earlier: list[Sequence[int]] = []

    def next_draft(ids: Sequence[int]) -> TokenDraft:
        if earlier:
            draft.observe(earlier[-1])
        earlier.append(ids)
        return draft

    return next_draft
