# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One pass of the language model over rows of several answers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from molmoact_ros.decoding.check import chain_tokens
from molmoact_ros.decoding.running_answer import Block
from molmoact_ros.decoding.tree import block_layout
from molmoact_ros.model import MolmoActForActionReasoning

from .shared_cache import CachePlaces, RowPlan, SharedWindow


class SharedPass:
    """Reads the weights once for all answers; each row attends to its own answer alone.

    All shapes depend on the number of answers' places alone, and nothing waits for the device, so
    that a CUDA graph for each number could be captured; here it runs eagerly, on any device.
    """

    def __init__(self, model: MolmoActForActionReasoning, caches: CachePlaces, rows: int) -> None:
        """Prepare passes of `rows` rows."""
        self._model, self._caches, self._rows = model, caches, rows

    def __call__(self, blocks: Mapping[int, Block]) -> tuple[Tensor, dict[int, slice]]:
        """Write each block's keys and values above its cache's length.

        Args:
            blocks: rows of each answer, by its place; all together no more than the pass has.

        Returns:
            Logits [R, E], and which rows of them belong to each place.
        """
        rows, device = self._rows, self._model.device
        places = max(blocks) + 1
        tokens, depths, lengths = (np.zeros(n, np.int64) for n in (rows, rows, places))
        owner = np.zeros(rows, np.int64)
        of_answer = np.zeros((places, rows), np.int64)
        of_row = np.zeros(rows, np.int64)
        visible = np.broadcast_to(np.eye(rows, dtype=bool), (places, rows, rows)).copy()
        spans: dict[int, slice] = {}
        start = 0
        for place, block in blocks.items():
            count = len(block.tokens)
            span = spans[place] = slice(start, start + count)
            tokens[span], depths[span], owner[span] = block.tokens, block.depths, place
            of_row[span] = np.arange(count) + place * rows
            of_answer[place] = np.minimum(np.arange(rows) + start, rows - 1)
            visible[place, :count, :count] = block.visible
            start += count
        lengths[:] = [cache.length for cache in self._caches.places[:places]]
        send = lambda array: torch.from_numpy(array).to(device)  # noqa: E731
        length = send(lengths)
        plan = RowPlan(
            send(of_answer), send(of_row), length[:, None] + torch.arange(rows, device=device)
        )
        hidden = self._model.run(
            self._model.embed(send(tokens)[None]),
            (send(depths) + length[send(owner)])[None],
            SharedWindow(self._caches.store, plan),
            self._mask(length, send(visible)),
        )
        return self._model.lm_head(hidden)[0], spans

    def rows_are_independent(self) -> bool:
        """Whether a row has the same logits, bit for bit, wherever it lies and beside whichever.

        That is what makes a robot's ids those that it gets alone. Two passes over empty caches.
        """
        vocab_size = self._model.config.llm_config.vocab_size
        count, last = self._rows // 2, len(self._caches.places) - 1
        layout = block_layout(range(-1, count - 2), count)
        mine, other = (Block(chain_tokens(count, vocab_size, seed), *layout) for seed in (2, 3))
        alone, spans = self({0: mine})
        alone = alone[spans[0]].cpu()
        together, spans = self({0: other, last: mine} if last else {0: mine})
        return torch.equal(alone, together[spans[last]].cpu())

    def _mask(self, length: Tensor, visible: Tensor) -> Tensor:
        """Return booleans [B, 1, R, capacity]: the answer's past, and what its block shows."""
        rows = self._rows
        column = torch.arange(self._caches.store.shape[4], device=length.device)
        offset = column - length[:, None]  # [B, capacity]
        in_block = (offset >= 0) & (offset < rows)
        index = offset.clamp(0, rows - 1)[:, None].expand(-1, rows, -1)
        own = visible.gather(2, index) & in_block[:, None]
        return (own | (offset < 0)[:, None])[:, None]
