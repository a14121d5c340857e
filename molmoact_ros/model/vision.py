# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The vision tower: patches of image crops to features of selected blocks (format.md 4)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from .config import VitConfig
from .layers import activation


class VisionAttention(nn.Module):
    """Attention without a mask, of the vision tower and of the pooling (format.md 4.3 and 5.4)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_heads: int,
        num_kv_heads: int,
        head_dim: int,
        float32_attention: bool,
    ) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.float32_attention = float32_attention
        self.wq = nn.Linear(input_size, num_heads * head_dim)
        self.wk = nn.Linear(input_size, num_kv_heads * head_dim)
        self.wv = nn.Linear(input_size, num_kv_heads * head_dim)
        self.wo = nn.Linear(num_heads * head_dim, hidden_size)

    def forward(self, query: torch.Tensor, memory: torch.Tensor | None = None) -> torch.Tensor:
        """Attend from ``[B, S, input]`` to `memory` ``[B, T, input]``, or to itself."""
        memory = query if memory is None else memory
        q, k, v = (
            self._heads(self.wq(query)),
            self._heads(self.wk(memory)),
            self._heads(self.wv(memory)),
        )
        dtype = q.dtype
        # Under autocast the fused kernel would cast back anyway: follow the reference (4.3).
        if self.float32_attention and not torch.is_autocast_enabled(q.device.type):
            q, k, v = q.float(), k.float(), v.float()
        attended = F.scaled_dot_product_attention(q, k, v, enable_gqa=q.shape[1] != k.shape[1])
        return self.wo(attended.to(dtype).transpose(1, 2).flatten(2))

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)


class _FeedForward(nn.Module):
    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.w1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.w2 = nn.Linear(config.intermediate_size, config.hidden_size)
        self.act = activation(config.hidden_act)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.w2(self.act(self.w1(x)))


class _VisionBlock(nn.Module):
    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.attention = VisionAttention(
            config.hidden_size,
            config.hidden_size,
            config.num_attention_heads,
            config.num_key_value_heads,
            config.head_dim,
            config.float32_attention,
        )
        self.feed_forward = _FeedForward(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.ffn_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.feed_forward(self.ffn_norm(x))


class _VisionBlocks(nn.Module):
    """Holds the blocks under the name that checkpoints use."""

    def __init__(self, config: VitConfig, depth: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(_VisionBlock(config) for _ in range(depth))


class VisionTower(nn.Module):
    """A vision transformer cut behind the last block that is used.

    Args:
        config: Sizes.
        layers: Blocks whose outputs are returned, as non-negative indices.
    """

    def __init__(self, config: VitConfig, layers: tuple[int, ...]) -> None:
        super().__init__()
        self.config = config
        self.layers = layers
        width, patch = config.hidden_size, config.image_patch_size
        if config.use_cls_token:
            self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty(config.image_num_pos, width))
        self.patch_embedding = nn.Linear(3 * patch * patch, width, bias=config.patch_bias)
        if config.pre_layernorm:
            self.pre_ln = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.transformer = _VisionBlocks(config, max(layers) + 1)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Encode crops.

        Args:
            patches: ``[crops, N, 3 * patch * patch]``, normalised pixels.

        Returns:
            Features ``[crops, N, width * len(layers)]``, layers in listed order, without the
            class token.
        """
        skip = 1 if self.config.use_cls_token else 0
        return torch.cat([output[:, skip:] for output in self.block_outputs(patches)], dim=-1)

    def block_outputs(self, patches: torch.Tensor) -> list[torch.Tensor]:
        """Return the output of each selected block, class token first where there is one."""
        x = self.patch_embedding(patches)
        table = self.positional_embedding
        if self.config.use_cls_token:
            x = torch.cat([self.class_embedding.to(x.dtype).expand(len(x), 1, -1), x], dim=1)
            position = resize_positions(table[1:], self.config.patch_grid)
            position = torch.cat([table[:1], position])
        else:
            position = resize_positions(table, self.config.patch_grid)
        x = x + position.to(x.dtype)
        if self.config.pre_layernorm:
            x = self.pre_ln(x)
        outputs = []
        for block in self.transformer.resblocks:
            x = block(x)
            outputs.append(x)
        return [outputs[layer] for layer in self.layers]


def resize_positions(table: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """Resize a square table of position embeddings to `grid` rows and columns (format.md 4).

    Args:
        table: ``[g * g, width]``, without the class token's row.
        grid: Rows and columns of patches.

    Returns:
        ``[rows * columns, width]``; the table itself when it fits already.
    """
    side = math.isqrt(len(table))
    if (side, side) == grid:
        return table
    image = table.reshape(1, side, side, -1).permute(0, 3, 1, 2).float()
    image = F.interpolate(image, size=grid, mode="bicubic", align_corners=False, antialias=True)
    return image.permute(0, 2, 3, 1).reshape(grid[0] * grid[1], -1).to(table.dtype)
