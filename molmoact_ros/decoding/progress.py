# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""An answer under construction."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from molmoact_ros.decoding.drafts.grammar import State, advance, overrule
from molmoact_ros.decoding.tree import EMPTY_TREE, TokenTree


@dataclass
class Progress:
    """The answer under construction."""

    ids: list[int] = field(default_factory=list)
    tokens_per_pass: list[int] = field(default_factory=list)
    drafted: dict[str, int] = field(default_factory=dict)
    accepted: dict[str, int] = field(default_factory=dict)
    probes: list[tuple[list[int], list[int], Tensor]] = field(default_factory=list)
    provisional: TokenTree = EMPTY_TREE  # a chain that probably follows `ids`
    form: State = ()  # where in a learned form the answer is; empty: not constrained
    overruled: int = 0
    replaced: set[int] = field(default_factory=set)  # slots of the pass that were overruled

    def overrule(self, tree: TokenTree, choices: list[int], logits: Tensor) -> None:
        """Replace choices that the form does not allow; reads logits only where one is."""

        def best_of(slot: int, tokens: list[int]) -> int | None:
            known = [token for token in tokens if token < logits.shape[-1]]
            among = torch.tensor(known, device=logits.device)
            return known[int(logits[slot, among].argmax())] if known else None

        self.replaced = overrule(self.form, tree, choices, best_of)

    def append(self, tokens: list[int], slots: list[int]) -> None:
        """Take note of emitted tokens, and of the slots that chose them."""
        self.ids += tokens
        self.overruled += len(self.replaced.intersection(slots))
        for token in tokens:
            self.form = advance(self.form, token)

    def probabilities(self, probe_ids: Tensor | None) -> dict[int, np.ndarray]:
        """Softmax over the probe ids where one of them was emitted; one transfer for all."""
        if probe_ids is None:
            return {}
        wanted = set(probe_ids.tolist())
        blocks = [logits for _, _, logits in self.probes]
        shares = torch.cat(blocks).float().softmax(-1).cpu()
        rows = iter(shares.split([len(block) for block in blocks]))
        return {
            position: block[slot].numpy()
            for (positions, slots, _), block in zip(self.probes, rows, strict=True)
            for position, slot in zip(positions, slots, strict=True)
            if self.ids[position] in wanted
        }
