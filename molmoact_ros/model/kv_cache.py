# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the network asks of a key/value cache. Implementations live in ``decoding/``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

import torch


class KVCache(Protocol):
    """Keeps the keys and values of earlier passes."""

    def update(
        self, layer: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store the new keys and values of one layer.

        Args:
            layer: Index of the language model's block.
            keys: ``[B, Hkv, S, head_dim]``, rotary positions applied.
            values: ``[B, Hkv, S, head_dim]``.

        Returns:
            Keys and values that this pass attends to, each ``[B, Hkv, T, head_dim]``; T is the
            last size of the mask given to `run`, or S when there is no mask.
        """
        ...


class SharedKVCache(ABC):
    """Keeps the keys and values of several sequences whose rows lie in one block."""

    @abstractmethod
    def attend(
        self,
        layer: int,
        queries: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        mask: torch.Tensor,
    ) -> torch.Tensor:
        """Store what is new of one layer, and attend from each row to its own sequence alone.

        Args:
            layer: Index of the language model's block.
            queries: ``[1, Hq, S, head_dim]``, rotary positions applied.
            keys: ``[1, Hkv, S, head_dim]``, rotary positions applied.
            values: Like keys.
            mask: What `fold_mask` made of the mask given to `run`.

        Returns:
            ``[1, Hq, S, head_dim]``.
        """
