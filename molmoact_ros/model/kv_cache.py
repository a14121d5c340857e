# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the network asks of a key/value cache. Implementations live in ``decoding/``."""

from __future__ import annotations

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
