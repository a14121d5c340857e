# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Greedy answers for many images at once: the product's decoder is exact but works one by one."""

from __future__ import annotations

import torch

from molmoact_ros.model import MolmoActForActionReasoning


class _GrowingCache:
    """Keys and values of all positions so far, in buffers of a fixed capacity."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._layers: dict[int, _GrowingLayer] = {}

    def layer(self, index: int) -> _GrowingLayer:
        """Return the part of one block of the network."""
        return self._layers.setdefault(index, _GrowingLayer(self._capacity))


class _GrowingLayer:
    """One block's part of a _GrowingCache."""

    def __init__(self, capacity: int) -> None:
        self._capacity, self._length = capacity, 0
        self._store: torch.Tensor | None = None

    def update(self, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Append `[B, H, S, hd]` and return everything, `[B, H, T, hd]`."""
        if self._store is None:
            batch, heads, _, width = keys.shape
            self._store = keys.new_empty(2, batch, heads, self._capacity, width)
        start = self._length
        end = self._length = start + keys.shape[2]
        self._store[0, :, :, start:end] = keys
        self._store[1, :, :, start:end] = values
        return self._store[0, :, :, :end], self._store[1, :, :, :end]


@torch.inference_mode()
def generate_batch(
    model: MolmoActForActionReasoning,
    ids: torch.Tensor,
    images: torch.Tensor,
    pooled: torch.Tensor,
    eos: int,
    longest: int,
) -> list[list[int]]:
    """Answer one prompt per row.

    Args:
        model: The network.
        ids: int64 `[B, L]` prompts.
        images: `[B, T, N, P]` normalised patches.
        pooled: `[B, M, 4]` patches of each image token.
        eos: Id of the end of text.
        longest: Ids after which an answer is given up.

    Returns:
        New ids per row, EOS included where the model wrote it. Nothing is forced.
    """
    batch, length = ids.shape
    cache = _GrowingCache(length + longest)
    embeds = model.embed(ids, images, pooled)
    positions = torch.arange(length, device=ids.device).expand(batch, -1)
    hidden = model.run(embeds, positions, cache)
    mask = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=ids.device)
    new: list[torch.Tensor] = []
    done = torch.zeros(batch, dtype=torch.bool, device=ids.device)
    while True:
        token = model.lm_head(hidden[:, -1:]).argmax(-1)
        new.append(token)
        done |= token[:, 0] == eos
        if bool(done.all()) or len(new) == longest:
            break
        position = torch.full((batch, 1), length + len(new) - 1, device=ids.device)
        width = length + len(new)
        hidden = model.run(model.embed(token), position, cache, mask.expand(1, 1, 1, width))
    rows = torch.cat(new, dim=1).tolist()
    return [row[: row.index(eos) + 1] if eos in row else row for row in rows]
