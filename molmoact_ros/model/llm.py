# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The language model: token embeddings and decoder blocks (format.md 6 and 7)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from .config import LlmConfig
from .kv_cache import KVCache, LayerCache, SharedLayerCache
from .layers import (
    RMSNorm,
    activation,
    causal_attention,
    fold_mask,
    masked_attention,
    rotary_angles,
    rotate,
)


class TokenEmbedding(nn.Module):
    """Two tables read as one: ids from ``vocab_size`` on belong to the second.

    The reference joins both tables at every pass (fidelity.md row 3); here each is indexed.
    """

    def __init__(self, vocab_size: int, additional_size: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.empty(vocab_size, width))
        self.new_embedding = nn.Parameter(torch.empty(additional_size, width))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Embed ids ``[...]`` as ``[..., width]``; -1 (padding) reads row 0."""
        rows, more = self.embedding.shape[0], self.new_embedding.shape[0]
        # Clamped on the side that the other table answers, so that no id is looked up wrongly
        # and an id beyond both tables still raises.
        base = nn.functional.embedding(ids.clamp(min=0, max=rows - 1), self.embedding)
        if more == 0:
            return base
        extra = nn.functional.embedding((ids - rows).clamp(min=0), self.new_embedding)
        return torch.where((ids < rows)[..., None], base, extra)


class Attention(nn.Module):
    """Causal self attention with one fused projection for query, key and value."""

    def __init__(self, config: LlmConfig) -> None:
        super().__init__()
        self.head_dim = config.head_dim
        self.q_size = config.num_attention_heads * config.head_dim
        self.kv_size = config.num_key_value_heads * config.head_dim
        fused = self.q_size + 2 * self.kv_size
        self.att_proj = nn.Linear(config.hidden_size, fused, bias=config.qkv_bias)
        self.attn_out = nn.Linear(self.q_size, config.hidden_size, bias=False)
        self.per_head_norm = config.qk_norm_type == "qwen3"
        self.q_norm: RMSNorm | None = None
        self.k_norm: RMSNorm | None = None
        if config.use_qk_norm:
            q_width = config.head_dim if self.per_head_norm else self.q_size
            k_width = config.head_dim if self.per_head_norm else self.kv_size
            self.q_norm = RMSNorm(q_width, config.layer_norm_eps)
            self.k_norm = RMSNorm(k_width, config.layer_norm_eps)

    def forward(
        self,
        x: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        cache: LayerCache | SharedLayerCache | None,
        mask: torch.Tensor | None,
    ) -> torch.Tensor:
        """Attend over ``[B, S, D]``; `mask` is folded (see `layers.fold_mask`) or None."""
        # Queries and keys lie side by side and are rotated as one: half as many kernels.
        turned, v = self.att_proj(x).split((self.q_size + self.kv_size, self.kv_size), dim=-1)
        if self.q_norm is not None and self.k_norm is not None:
            q, k = turned.split((self.q_size, self.kv_size), dim=-1)
            turned = torch.cat((self._norm(self.q_norm, q), self._norm(self.k_norm, k)), dim=-1)
        turned = rotate(self._heads(turned), cos, sin)
        q, k = turned.split((self.q_size // self.head_dim, self.kv_size // self.head_dim), dim=1)
        v = self._heads(v)
        attended = self._attend(q, k, v, cache, mask)
        return self.attn_out(attended.transpose(1, 2).flatten(2))

    def _attend(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        cache: LayerCache | SharedLayerCache | None,
        mask: torch.Tensor | None,
    ) -> torch.Tensor:
        if isinstance(cache, SharedLayerCache):
            assert mask is not None, "rows of several sequences need a mask"
            return cache.attend(q, k, v, mask)
        if cache is not None:
            k, v = cache.update(k, v)
        return causal_attention(q, k, v) if mask is None else masked_attention(q, k, v, mask)

    def _norm(self, norm: RMSNorm, x: torch.Tensor) -> torch.Tensor:
        """Normalise ``[B, S, H * head_dim]``, over all heads or over each."""
        if not self.per_head_norm:
            return norm(x)
        return norm(x.unflatten(-1, (-1, self.head_dim))).flatten(-2)

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        """Split ``[B, S, H * head_dim]`` into ``[B, H, S, head_dim]``."""
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)


class GatedMlp(nn.Module):
    """Gated MLP; the first half of the fused projection is the value, the second the gate."""

    def __init__(self, config: LlmConfig) -> None:
        super().__init__()
        self.ff_proj = nn.Linear(config.hidden_size, 2 * config.intermediate_size, bias=False)
        self.ff_out = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)
        self.act = activation(config.hidden_act)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``[..., D]`` to ``[..., D]``."""
        value, gate = self.ff_proj(x).chunk(2, dim=-1)
        return self.ff_out(self.act(gate) * value)


class Block(nn.Module):
    """One decoder block; the norms sit before or, with `norm_after`, behind each part."""

    def __init__(self, config: LlmConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.attn_norm = RMSNorm(config.hidden_size, config.layer_norm_eps)
        self.mlp = GatedMlp(config)
        self.ff_norm = RMSNorm(config.hidden_size, config.layer_norm_eps)
        self.norm_after = config.norm_after

    def forward(
        self,
        x: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        cache: LayerCache | SharedLayerCache | None,
        mask: torch.Tensor | None,
    ) -> torch.Tensor:
        """Map ``[B, S, D]`` to ``[B, S, D]``."""
        if self.norm_after:
            x = x + self.attn_norm(self.self_attn(x, cos, sin, cache, mask))
            return x + self.ff_norm(self.mlp(x))
        x = x + self.self_attn(self.attn_norm(x), cos, sin, cache, mask)
        return x + self.mlp(self.ff_norm(x))


# Called with a block and what `Block.forward` takes. All blocks have the same shapes, so a function
# that was compiled for the first one serves them all.
BlockFunction = Callable[
    [
        nn.Module, torch.Tensor, torch.Tensor, torch.Tensor,
        LayerCache | SharedLayerCache | None, torch.Tensor | None,
    ],
    torch.Tensor,
]  # fmt: skip


class Transformer(nn.Module):
    """Token embeddings, decoder blocks and the last norm."""

    def __init__(self, config: LlmConfig) -> None:
        super().__init__()
        self.config = config
        self.wte = TokenEmbedding(
            config.vocab_size, config.additional_vocab_size, config.hidden_size
        )
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))
        self.ln_f = RMSNorm(config.hidden_size, config.layer_norm_eps)

    def forward(
        self,
        x: torch.Tensor,
        position_ids: torch.Tensor,
        cache: KVCache | None = None,
        mask: torch.Tensor | None = None,
        compute: BlockFunction = Block.__call__,
    ) -> torch.Tensor:
        """Run all blocks; see `MolmoActForActionReasoning.run`."""
        config = self.config
        cos, sin = rotary_angles(position_ids, config.head_dim, config.rope_theta, x.dtype)
        if mask is not None:
            mask = fold_mask(
                mask, config.num_attention_heads // config.num_key_value_heads, x.dtype
            )
        for index, block in enumerate(self.blocks):
            kept = None if cache is None else cache.layer(index)
            x = compute(block, x, cos, sin, kept, mask)
        return self.ln_f(x)
