# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The small parts that vision tower and language model are made of."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn


def _quick_gelu(x: torch.Tensor) -> torch.Tensor:
    return x * torch.sigmoid(1.702 * x)


_ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_pytorch_tanh": partial(F.gelu, approximate="tanh"),
    "quick_gelu": _quick_gelu,
}


def activation(name: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the activation function that ``hidden_act`` names.

    Raises:
        ValueError: The name is not known.
    """
    if name not in _ACTIVATIONS:
        raise ValueError(f"hidden_act '{name}' is not one of {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[name]


class RMSNorm(nn.Module):
    """Root mean square norm in float32; the weight multiplies after casting back (format.md 7)."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise over the last dimension."""
        return self.weight * F.rms_norm(x.float(), x.shape[-1:], eps=self.eps).to(x.dtype)


def rotary_angles(
    position_ids: torch.Tensor, head_dim: int, theta: float, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what `rotate` needs, each ``[B, 1, S, head_dim]`` (format.md 7).

    The frequencies are computed here, in float32, and not kept as a buffer: a buffer would lose
    its precision when the model is cast to half precision.

    Args:
        position_ids: ``[B, S]`` integers.
        head_dim: Width of one head.
        theta: Base of the frequencies.
        dtype: Of the result.

    Returns:
        The cosines, and the sines with the sign that each half of a head needs.
    """
    steps = torch.arange(0, head_dim, 2, device=position_ids.device, dtype=torch.float32)
    inverse = 1.0 / (theta ** (steps / head_dim))
    angles = position_ids[:, None, :, None].float() * inverse
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((cos, cos), dim=-1).to(dtype), torch.cat((-sin, sin), dim=-1).to(dtype)


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Apply the "half rotation" layout of rotary embedding to ``[B, H, S, head_dim]``."""
    return x * cos + x.roll(x.shape[-1] // 2, dims=-1) * sin


def causal_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Attend from S queries to the same S positions, each to itself and what is before it.

    Args:
        q: ``[B, Hq, S, head_dim]``.
        k: ``[B, Hkv, S, head_dim]``; Hq is a multiple of Hkv, heads repeat consecutively.
        v: Like k.

    Returns:
        ``[B, Hq, S, head_dim]``.
    """
    return F.scaled_dot_product_attention(
        q, k, v, is_causal=q.shape[2] > 1, enable_gqa=q.shape[1] != k.shape[1]
    )


def masked_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """Attend from S queries to T positions where the mask is true.

    The heads that share keys are folded into the query dimension, so that keys and values are
    read once and never repeated in memory.

    Args:
        q: ``[B, Hq, S, head_dim]``.
        k: ``[B, Hkv, T, head_dim]``.
        v: Like k.
        mask: ``[B or 1, 1, S * Hq / Hkv, T]``, made by `fold_mask`.

    Returns:
        ``[B, Hq, S, head_dim]``.
    """
    folded = q.reshape(k.shape[0], k.shape[1], -1, q.shape[3])
    # Not a view: on GPUs the memory-efficient kernel returns a transposed layout.
    return F.scaled_dot_product_attention(folded, k, v, attn_mask=mask).reshape(q.shape)


def fold_mask(mask: torch.Tensor, queries_per_key: int, dtype: torch.dtype) -> torch.Tensor:
    """Repeat a mask for the heads that share keys, as what attention adds to its scores.

    Attention takes booleans, too, but would convert them in every block.

    Args:
        mask: Booleans ``[B or 1, 1, S, T]``, true where a query attends.
        queries_per_key: Heads that share keys.
        dtype: Of the queries.

    Returns:
        ``[B or 1, 1, S * queries_per_key, T]``: 0 where a query attends, else minus infinity.
    """
    added = torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, float("-inf"))
    return added if queries_per_key == 1 else added.repeat(1, 1, queries_per_key, 1)
