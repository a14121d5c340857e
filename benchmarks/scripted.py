# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A model whose greedy answer is known beforehand, and the parts of an answer.

Passes depend on which token the argmax says, not on how it was computed; so answers of a model
that is not at hand can be replayed through the real decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import torch
from torch import Tensor

from molmoact_ros.decoding import GenerationResult
from molmoact_ros.decoding.drafts.reader import ReadAnswer
from molmoact_ros.decoding.drafts.template import BIN, DEPTH, Literal, Slot

PARTS = ("template", "depth", "trajectory", "actions")


class ScriptedModel:
    """Says `answer` after any prompt, and token 0 after any other text."""

    device = torch.device("cpu")
    dtype = torch.float32

    def __init__(self, vocab_size: int, eos_id: int) -> None:
        """Know the size of the vocabulary and the end token."""
        llm = SimpleNamespace(
            vocab_size=vocab_size, num_hidden_layers=1, num_key_value_heads=1, head_dim=1
        )
        self.config = SimpleNamespace(llm_config=llm)
        self.generation_config = SimpleNamespace(eos_token_id=eos_id)
        self._tokens = torch.zeros(0)

    def script(self, prompt_length: int, answer: Sequence[int]) -> dict[str, Tensor]:
        """Set the next answer; returns the batch to ask for it with."""
        prompt = [1] * prompt_length
        self._tokens = torch.tensor([*prompt, *answer, 0])
        return {"input_ids": torch.tensor([prompt])}

    def embed(self, ids: Tensor, **images: Tensor | None) -> Tensor:
        """Ids as numbers, [B, L, 1]."""
        return ids[..., None].float()

    def run(
        self, embeds: Tensor, positions: Tensor, cache: object = None, mask: Tensor | None = None
    ) -> Tensor:
        """The token that follows each position, if the token there is the scripted one."""
        last = len(self._tokens) - 1
        right = self._tokens[positions.clamp(max=last)] == embeds[..., 0].long()
        return torch.where(right, self._tokens[(positions + 1).clamp(max=last)], 0)[..., None]

    def lm_head(self, hidden: Tensor) -> Tensor:
        """One at the token to say, zero elsewhere."""
        size = self.config.llm_config.vocab_size
        logits = torch.zeros(*hidden.shape[:-1], size, dtype=torch.uint8)
        return logits.scatter_(-1, hidden.long(), 1)


def part_of_tokens(answer: ReadAnswer) -> list[str]:
    """The part of PARTS that each token of an answer belongs to; separators go with their list."""
    parts: list[str] = []
    values = [iter(group) for group in answer.values]
    elements = answer.template.elements
    for place, element in enumerate(elements):
        if isinstance(element, Slot):
            part = _part(element)
            length = len(element.trie.spellings[next(values[element.group])])
        else:
            before, after = elements[max(0, place - 1)], elements[min(place + 1, len(elements) - 1)]
            part = _part(before) if _part(before) == _part(after) else "template"
            length = len(element.ids)
        parts += [part] * length
    return parts


def passes_by_part(result: GenerationResult, parts: Sequence[str]) -> dict[str, int]:
    """Passes by the part in which they ended: where the draft was wrong or ran out."""
    passes = dict.fromkeys(PARTS, 0)
    position = 0
    for count in result.tokens_per_pass:
        position += count
        passes[parts[position]] += 1
    return passes


def _part(element: Literal | Slot) -> str:
    if isinstance(element, Literal):
        return "template"
    return {DEPTH: "depth", BIN: "actions"}.get(element.group, "trajectory")
