# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A key/value cache of fixed size, allocated once and rolled back by its length."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from molmoact_ros.model import MolmoActForActionReasoning


class ContextTooLongError(ValueError):
    """Prompt and answer do not fit into the cache."""


class StaticCache:
    """Keys and values of every layer for up to `capacity` positions, batch 1.

    Entries beyond `length` are free: a pass writes its block there, and only what `keep` moves
    below the new length is remembered. The network sees the cache through one of two windows,
    because a captured CUDA graph needs fixed addresses and shapes while the CPU gains from
    attending to the filled part alone.

    Attributes:
        length: positions that hold confirmed tokens.
        capacity: positions that fit.
    """

    def __init__(self, store: Tensor) -> None:
        """Take memory of `new_store`, for one sequence."""
        self.length = 0
        self.capacity = store.shape[4]
        self._store = store

    @classmethod
    def for_model(cls, model: MolmoActForActionReasoning, capacity: int) -> StaticCache:
        """Return an empty cache of a network's shape and number type, on its device."""
        return cls(new_store(model, capacity))

    def sliced(self, count: int) -> SlicedWindow:
        """Return a window that appends `count` positions and returns the filled part."""
        if self.length + count > self.capacity:
            raise ContextTooLongError(
                f"{self.length} cached and {count} new tokens exceed the cache's capacity of "
                f"{self.capacity}"
            )
        return SlicedWindow(self._store, self.length, self.length + count)

    def indexed(self, slots: Tensor) -> IndexedWindow:
        """Return a window that writes to positions `slots` (int64 [S]) and returns all of them."""
        return IndexedWindow(self._store, slots)

    def keep(self, offsets: Sequence[int]) -> None:
        """Confirm the entries at `length + offsets` (ascending) and forget all others above."""
        start = self.length
        # One by one and in order, so that no index has to be sent to the device and waited for.
        for target, offset in enumerate(offsets):
            if offset != target:
                moved = self._store.narrow(4, start + offset, 1)
                self._store.narrow(4, start + target, 1).copy_(moved)
        self.length = start + len(offsets)


def new_store(model: MolmoActForActionReasoning, capacity: int, sequences: int = 1) -> Tensor:
    """Return zeros `[2, layers, sequences, kv_heads, capacity, head_dim]` on a network's device.

    One tensor for all layers: moving a position is one copy, not one per layer.
    """
    llm = model.config.llm_config
    shape = (
        2,
        llm.num_hidden_layers,
        sequences,
        llm.num_key_value_heads,
        capacity,
        llm.head_dim,
    )
    return torch.zeros(shape, device=model.device, dtype=model.dtype)


class SlicedWindow:
    """The model's KVCache for passes of any length: views of the filled part."""

    def __init__(self, store: Tensor, start: int, end: int) -> None:
        self._store, self._start, self._end = store, start, end

    def layer(self, index: int) -> SlicedLayer:
        """Return the views of one block of the network."""
        return SlicedLayer(self._store[:, index, :, :, : self._end], self._start)


class SlicedLayer:
    """One block's part of a SlicedWindow."""

    def __init__(self, stored: Tensor, start: int) -> None:
        self._stored, self._start = stored, start

    def update(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store [1, Hkv, S, hd] each; return both for all positions so far, [1, Hkv, T, hd]."""
        self._stored[0, :, :, self._start :] = keys
        self._stored[1, :, :, self._start :] = values
        return self._stored[0], self._stored[1]


class IndexedWindow:
    """The model's KVCache inside a CUDA graph: writes by index, always returns the whole cache."""

    def __init__(self, store: Tensor, slots: Tensor) -> None:
        self._store, self._slots = store, slots

    def layer(self, index: int) -> IndexedLayer:
        """Return the part of one block of the network."""
        return IndexedLayer(self._store[0, index], self._store[1, index], self._slots)


class IndexedLayer:
    """One block's part of an IndexedWindow: two tensors without gaps."""

    def __init__(self, keys: Tensor, values: Tensor, slots: Tensor) -> None:
        self._keys, self._values, self._slots = keys, values, slots

    def update(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store [1, Hkv, S, hd] each; return all positions, [1, Hkv, capacity, hd]."""
        self._keys.index_copy_(2, self._slots, keys)
        self._values.index_copy_(2, self._slots, values)
        return self._keys, self._values
