# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Keys and values of several answers in one tensor, and attention of rows that they share."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from molmoact_ros.decoding.static_cache import StaticCache, new_store
from molmoact_ros.model import MolmoActForActionReasoning, SharedLayerCache
from molmoact_ros.model.layers import masked_attention


class CachePlaces:
    """One tensor with a place for each running answer.

    Attributes:
        store: `[2, layers, places, kv_heads, capacity, head_dim]`.
        places: The cache of each, views of the store.
    """

    def __init__(self, model: MolmoActForActionReasoning, capacity: int, places: int) -> None:
        """Allocate for `places` answers of `capacity` positions each."""
        self.store = new_store(model, capacity, places)
        self.places = [StaticCache(self.store[:, :, i : i + 1]) for i in range(places)]


@dataclass(frozen=True)
class RowPlan:
    """Which rows of a pass belong to which answer; B answers, R rows, all shapes fixed.

    Attributes:
        rows_of_answer: int64 [B, R], the pass's row in each slot of each answer's own block; behind
            its last one any row, which nobody reads.
        slot_of_row: int64 [R], index of each row into the flattened blocks [B * R].
        positions: int64 [B, R], where each block is written in its answer's cache.
    """

    rows_of_answer: Tensor
    slot_of_row: Tensor
    positions: Tensor


class SharedWindow:
    """Attends for each answer in a block of its own, with the shapes of an answer decoded alone.

    A robot's block always has all R slots and attends to the whole capacity, however many rows it
    was given: so what its rows compute depends neither on their number nor on other robots.
    """

    def __init__(self, store: Tensor, plan: RowPlan) -> None:
        """Write to the first B places of a store."""
        self._plan = plan
        answers = len(plan.positions)
        self._store = store[:, :, :answers]
        self._answers = torch.arange(answers, device=store.device)[:, None]

    def layer(self, index: int) -> SharedLayer:
        """Return the part of one block of the network."""
        return SharedLayer(self._store[0, index], self._store[1, index], self._answers, self._plan)


class SharedLayer(SharedLayerCache):
    """One block's part of a SharedWindow."""

    def __init__(self, keys: Tensor, values: Tensor, answers: Tensor, plan: RowPlan) -> None:
        self._keys, self._values = keys, values
        self._answers, self._plan = answers, plan

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """See SharedLayerCache; the mask is for `[B, 1, R, capacity]`."""
        place = (self._answers, self._plan.positions)
        # [B, capacity, Hkv, hd], which takes a row at a position of an answer.
        self._keys.transpose(1, 2)[place] = self._blocks(keys)
        self._values.transpose(1, 2)[place] = self._blocks(values)
        blocks = self._blocks(queries).transpose(1, 2)
        attended = masked_attention(blocks, self._keys, self._values, mask)
        rows = attended.transpose(1, 2).flatten(0, 1)[self._plan.slot_of_row]
        return rows.transpose(0, 1)[None]

    def _blocks(self, rows: Tensor) -> Tensor:
        """[1, H, R, hd] -> [B, R, H, hd]."""
        return rows[0].transpose(0, 1)[self._plan.rows_of_answer]
