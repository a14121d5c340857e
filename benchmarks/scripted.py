# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A model whose greedy answer is known beforehand, and the parts of an answer.

Passes depend on which token the argmax is, not on how it was computed; so answers of a model
that is not at hand can be replayed through the real decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from molmoact_ros.decoding.drafts.answer_splitter import ReadAnswer
from molmoact_ros.decoding.drafts.template import BIN, DEPTH, Literal, Slot
from molmoact_ros.model import MolmoActForActionReasoning

PARTS = ("template", "depth", "trajectory", "actions")


class ScriptedModel:
    """Answers its script to any prompt, and token 0 after any other text."""

    def __init__(
        self, vocab_size: int, eos_id: int, device: str | torch.device = "cpu", length: int = 2048
    ) -> None:
        """Prepare for scripts of at most `length` tokens, prompt included."""
        llm = SimpleNamespace(
            vocab_size=vocab_size, num_hidden_layers=1, num_key_value_heads=1, head_dim=1
        )
        self.config: Any = SimpleNamespace(llm_config=llm)
        self.generation_config = SimpleNamespace(eos_token_id=eos_id)
        self.device = torch.device(device)
        self.dtype = torch.float32
        # One buffer for all scripts: a CUDA graph keeps its address.
        self._tokens = torch.zeros(length, dtype=torch.int64, device=device)

    def script(self, prompt: Sequence[int], answer: Sequence[int]) -> dict[str, Tensor]:
        """Set the next answer; returns the batch that yields it."""
        tokens = torch.tensor([*prompt, *answer])
        self._tokens.zero_()
        self._tokens[: len(tokens)] = tokens.to(self.device)
        return {"input_ids": torch.tensor([list(prompt)])}

    def embed(self, ids: Tensor, **images: Tensor | None) -> Tensor:
        """Ids as numbers, [B, L, 1]."""
        return ids[..., None].float()

    def run(
        self, embeds: Tensor, positions: Tensor, cache: Any = None, mask: Tensor | None = None
    ) -> Tensor:
        """Return the token to generate at each position, [B, L, 1]."""
        return self._scripted_at(embeds[..., 0].long(), positions)[..., None]

    def lm_head(self, hidden: Tensor) -> Tensor:
        """One at the token to generate, zero elsewhere."""
        size = self.config.llm_config.vocab_size
        logits = torch.zeros(*hidden.shape[:-1], size, dtype=torch.uint8, device=hidden.device)
        return logits.scatter_(-1, hidden.long(), 1)

    def _scripted_at(self, ids: Tensor, positions: Tensor) -> Tensor:
        """Return the token that follows each position, if the token there is the scripted one."""
        last = len(self._tokens) - 1
        right = self._tokens[positions.clamp(max=last)] == ids
        return torch.where(right, self._tokens[(positions + 1).clamp(max=last)], 0)


class OverruledModel(ScriptedModel):
    """Computes like a real network, and generates its script.

    Attributes:
        joins_tables: whether both embedding tables are joined at every pass, as the reference does.
    """

    def __init__(self, model: MolmoActForActionReasoning, eos_id: int, length: int = 2048) -> None:
        """Wrap a network, which keeps its weights and its device."""
        super().__init__(model.config.llm_config.vocab_size, eos_id, model.device, length)
        self.config, self.dtype = model.config, model.dtype
        self.precision = model.precision
        self.named_parameters = model.named_parameters
        self.joins_tables = False
        self._model = model
        self._ids = self._say = self._tokens

    def embed(self, ids: Tensor, **images: Tensor | None) -> Tensor:
        """Real embeddings; the ids are kept for the script."""
        self._ids = ids
        if self.joins_tables:
            table = self._model.model.transformer.wte
            return nn.functional.embedding(ids, torch.cat([table.embedding, table.new_embedding]))
        return self._model.embed(ids, **images)

    def run(
        self, embeds: Tensor, positions: Tensor, cache: Any = None, mask: Tensor | None = None
    ) -> Tensor:
        """Real hidden states."""
        self._say = self._scripted_at(self._ids, positions)[..., None]
        return self._model.run(embeds, positions, cache, mask)

    def lm_head(self, hidden: Tensor) -> Tensor:
        """Real logits, overruled."""
        logits = self._model.lm_head(hidden)
        say = self._say if hidden.ndim == 3 else self._say[:, -1]
        return logits.scatter_(-1, say, torch.finfo(logits.dtype).max)


def part_of_tokens(answer: ReadAnswer) -> list[str]:
    """Return the part of PARTS of each token of an answer; separators go with their list."""
    parts: list[str] = []
    elements = answer.template.elements
    for place, (element, length) in enumerate(zip(elements, answer.lengths, strict=True)):
        part = _part(element)
        if isinstance(element, Literal):
            before, after = elements[max(0, place - 1)], elements[min(place + 1, len(elements) - 1)]
            part = _part(before) if _part(before) == _part(after) else "template"
        parts += [part] * length
    return parts


def passes_by_part(tokens_per_pass: Sequence[int], parts: Sequence[str]) -> dict[str, int]:
    """Count passes by the part in which they ended: where the draft was wrong or ran out."""
    passes = dict.fromkeys(PARTS, 0)
    position = 0
    for count in tokens_per_pass:
        position += count
        passes[parts[position]] += 1
    return passes


def _part(element: Literal | Slot) -> str:
    if isinstance(element, Literal):
        return "template"
    return {DEPTH: "depth", BIN: "actions"}.get(element.group, "trajectory")
