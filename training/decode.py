# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Greedy answers for many images at once: the product's decoder is exact but works one by one."""

from __future__ import annotations

import numpy as np
import torch

from molmoact_ros.model import MolmoActForActionReasoning

from .network import patches, pooling_index
from .sequences import Tokens


class _GrowingCache:
    """Keys and values of all positions so far, in buffers of a fixed capacity."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._store: dict[int, torch.Tensor] = {}
        self._length: dict[int, int] = {}

    def update(
        self, layer: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append `[B, H, S, hd]` and return everything, `[B, H, T, hd]`."""
        if layer not in self._store:
            batch, heads, _, width = keys.shape
            self._store[layer] = keys.new_empty(2, batch, heads, self._capacity, width)
        start = self._length.get(layer, 0)
        end = self._length[layer] = start + keys.shape[2]
        store = self._store[layer]
        store[0, :, :, start:end] = keys
        store[1, :, :, start:end] = values
        return store[0, :, :, :end], store[1, :, :, :end]


@torch.inference_mode()
def generate_batch(
    model: MolmoActForActionReasoning,
    vocab: Tokens,
    prompts: np.ndarray,
    images: np.ndarray,
) -> list[list[int]]:
    """Answer one instruction per image.

    Args:
        model: The network, float32.
        vocab: Its tokens.
        prompts: `[B, Lp]` ids, one question per image.
        images: uint8 `[B, 126, 126, 3]`.

    Returns:
        New ids per image, EOS included where the model wrote it. Nothing is forced.
    """
    batch = len(images)
    prefix = torch.as_tensor(vocab.prefix).expand(batch, -1)
    ids = torch.cat([prefix, torch.as_tensor(prompts)], dim=1)
    length = ids.shape[1]
    cache = _GrowingCache(length + vocab.longest_answer)
    embeds = model.embed(ids, patches(images), pooling_index(batch))
    hidden = model.run(embeds, torch.arange(length).expand(batch, -1), cache)
    mask = torch.ones(1, 1, 1, 1, dtype=torch.bool)
    new: list[torch.Tensor] = []
    done = torch.zeros(batch, dtype=torch.bool)
    while True:
        token = model.lm_head(hidden[:, -1:]).argmax(-1)
        new.append(token)
        done |= token[:, 0] == vocab.eos
        if bool(done.all()) or len(new) == vocab.longest_answer:
            break
        position = torch.full((batch, 1), length + len(new) - 1)
        width = length + len(new)
        hidden = model.run(model.embed(token), position, cache, mask.expand(1, 1, 1, width))
    rows = torch.cat(new, dim=1).tolist()
    return [row[: row.index(vocab.eos) + 1] if vocab.eos in row else row for row in rows]
