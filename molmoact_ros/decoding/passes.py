# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One pass of the language model over a block of slots: eagerly, or as a CUDA graph."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from molmoact_ros.decoding.capture import GraphStream
from molmoact_ros.model import MolmoActForActionReasoning
from molmoact_ros.model.llm import Block, BlockFunction

from .static_cache import StaticCache


class BlockPass(Protocol):
    """Runs blocks of one fixed size on top of the cache."""

    def __call__(self, tokens: list[int], depths: list[int], visible: np.ndarray) -> Tensor:
        """Write the block's keys and values above the cache's length.

        Args:
            tokens: token id of each slot.
            depths: depth of each slot below the root, which gives its position.
            visible: bool [S, S], which slots of the block each slot sees.

        Returns:
            Logits [S, E], valid until the next pass, which may begin when they were read.
        """


class EagerPass:
    """Attends to the filled part of the cache only. Runs everywhere."""

    def __init__(self, model: MolmoActForActionReasoning, cache: StaticCache) -> None:
        self._model, self._cache = model, cache

    def __call__(self, tokens: list[int], depths: list[int], visible: np.ndarray) -> Tensor:
        """See BlockPass."""
        device, length = self._model.device, self._cache.length
        ids = torch.tensor([tokens], device=device)
        positions = torch.tensor([depths], device=device) + length
        mask = torch.ones(len(tokens), length + len(tokens), dtype=torch.bool, device=device)
        mask[:, length:] = torch.from_numpy(visible).to(device)
        hidden = self._model.run(
            self._model.embed(ids), positions, self._cache.sliced(len(tokens)), mask[None, None]
        )
        return self._model.lm_head(hidden)[0]


class FixedPass:
    """A block with fixed shapes: reads buffers, attends to the whole cache, masks what is free.

    The same numbers as EagerPass, in the form that a CUDA graph needs. It runs on any device.
    """

    def __init__(
        self,
        model: MolmoActForActionReasoning,
        cache: StaticCache,
        size: int,
        compute_block: BlockFunction = Block.__call__,
    ) -> None:
        """Allocate the buffers.

        Args:
            model: the network, in eval mode.
            cache: the cache that the pass will always use.
            size: slots of the block.
            compute_block: runs one block of the network, perhaps compiled.
        """
        self._model, self._cache, self._size = model, cache, size
        self._compute_block = compute_block
        device, pinned = model.device, model.device.type == "cuda"
        self._host = torch.zeros(2 * size + 1, dtype=torch.int64, pin_memory=pinned)
        self._host_visible = torch.eye(size, dtype=torch.bool)
        if pinned:
            self._host_visible = self._host_visible.pin_memory()
        self._inputs = torch.zeros_like(self._host, device=device)
        self._visible = torch.zeros_like(self._host_visible, device=device)

    def __call__(self, tokens: list[int], depths: list[int], visible: np.ndarray) -> Tensor:
        """See BlockPass."""
        self._load(tokens, depths, visible)
        return self._compute()

    def _load(self, tokens: list[int], depths: list[int], visible: np.ndarray) -> None:
        self._host.copy_(torch.tensor([*tokens, *depths, self._cache.length]))
        self._host_visible.copy_(torch.from_numpy(visible))
        self._inputs.copy_(self._host, non_blocking=True)
        self._visible.copy_(self._host_visible, non_blocking=True)

    def _compute(self) -> Tensor:
        size = self._size
        ids, depths, length = self._inputs.split([size, size, 1])
        slots = length + torch.arange(size, device=length.device)
        column = torch.arange(self._cache.capacity, device=length.device)
        in_block = (column >= length) & (column < length + size)
        own = self._visible[:, (column - length).clamp(0, size - 1)]
        mask = (column < length) | (in_block & own)
        hidden = self._model.run(
            self._model.embed(ids[None]),
            (depths + length)[None],
            self._cache.indexed(slots),
            mask[None, None],
            self._compute_block,
        )
        return self._model.lm_head(hidden)[0]


class GraphPass(FixedPass):
    """A FixedPass as one CUDA graph: one launch, no work on the host."""

    def __init__(
        self,
        model: MolmoActForActionReasoning,
        cache: StaticCache,
        size: int,
        stream: GraphStream,
        compute_block: BlockFunction = Block.__call__,
    ) -> None:
        """Capture the graph.

        Args:
            model: the network, on a CUDA device, in eval mode.
            cache: the cache that the graph will always use.
            size: slots of the block.
            stream: where to capture.
            compute_block: as for a FixedPass.

        Raises:
            RuntimeError: CUDA did not capture the pass.
        """
        super().__init__(model, cache, size, compute_block)
        # The runs before the capture write above the cache's length, where nothing is kept.
        self._load([0] * size, [0] * size, np.eye(size, dtype=bool))
        self._replay, self._logits = stream.capture(self._compute)

    def __call__(self, tokens: list[int], depths: list[int], visible: np.ndarray) -> Tensor:
        """See BlockPass."""
        self._load(tokens, depths, visible)
        self._replay()
        return self._logits
