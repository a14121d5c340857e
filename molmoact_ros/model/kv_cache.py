# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the network asks of a key/value cache. Implementations live in ``decoding/``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

import torch


class LayerCache(Protocol):
    """Keeps the keys and values of one block of the language model."""

    def update(self, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Store the new keys and values.

        Args:
            keys: ``[B, Hkv, S, head_dim]``, rotary positions applied.
            values: ``[B, Hkv, S, head_dim]``.

        Returns:
            Keys and values that this pass attends to, each ``[B, Hkv, T, head_dim]``; T is the
            last size of the mask given to `run`, or S when there is no mask.
        """
        ...


class SharedLayerCache(ABC):
    """The same for several sequences whose rows lie in one block."""

    @abstractmethod
    def attend(
        self,
        queries: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        mask: torch.Tensor,
    ) -> torch.Tensor:
        """Store what is new, and attend from each row to its own sequence alone.

        Args:
            queries: ``[1, Hq, S, head_dim]``, rotary positions applied.
            keys: ``[1, Hkv, S, head_dim]``, rotary positions applied.
            values: Like keys.
            mask: What `fold_mask` made of the mask given to `run`.

        Returns:
            ``[1, Hq, S, head_dim]``.
        """


class KVCache(Protocol):
    """Keeps the keys and values of earlier passes."""

    def layer(self, index: int) -> LayerCache | SharedLayerCache:
        """Return the part of one block: an object without a number, so that all blocks are alike.

        One compiled function then serves all of them.
        """
        ...
