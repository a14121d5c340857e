# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The small network: MolmoAct's architecture with 2 million parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from molmoact_ros.model import MolmoActConfig, MolmoActForActionReasoning

from .data import IMAGE_SIZE

PATCH = 14
GRID = IMAGE_SIZE // PATCH  # 9 patches a side
POOLED = -(-GRID // 2)  # 5 image tokens a side
WIDTH = 160
_VIT = 96
_HEAD = 32


def build_network(
    embedding_size: int,
    norm_stats: dict[str, Any] | None = None,
    codebook: str = "byte_level",
) -> MolmoActForActionReasoning:
    """Return the network with random weights; `<im_patch>` is token E + 2 (format.md 8)."""
    return MolmoActForActionReasoning(
        MolmoActConfig(
            vit_config=_vit_config(),
            adapter_config=_adapter_config(),
            llm_config=_llm_config(embedding_size),
            image_patch_id=embedding_size + 2,
            norm_stats=norm_stats,
            action_codebook=codebook,
            initializer_range=0.04,
        )
    )


def patches(images: np.ndarray) -> torch.Tensor:
    """Turn uint8 images `[B, 126, 126, 3]` into the network's input `[B, 1, 81, 588]`."""
    tiles = images.reshape(-1, GRID, PATCH, GRID, PATCH, 3).transpose(0, 1, 3, 2, 4, 5)
    flat = np.ascontiguousarray(tiles).reshape(-1, 1, GRID * GRID, PATCH * PATCH * 3)
    return torch.as_tensor(flat).float() / 127.5 - 1.0


def pooling_index(batch: int) -> torch.Tensor:
    """Return the four patches of each image token, int64 `[B, 25, 4]`, -1 beyond the edge."""
    grid = np.full((2 * POOLED, 2 * POOLED), -1)
    grid[:GRID, :GRID] = np.arange(GRID * GRID).reshape(GRID, GRID)
    slots = grid.reshape(POOLED, 2, POOLED, 2).transpose(0, 2, 1, 3).reshape(1, -1, 4)
    return torch.as_tensor(slots).expand(batch, -1, -1)


def _vit_config() -> dict[str, Any]:
    return {
        "hidden_size": _VIT,
        "intermediate_size": 4 * _VIT,
        "num_hidden_layers": 3,
        "num_attention_heads": _VIT // _HEAD,
        "num_key_value_heads": _VIT // _HEAD,
        "head_dim": _HEAD,
        "hidden_act": "gelu_pytorch_tanh",
        "layer_norm_eps": 1e-6,
        "image_default_input_size": (IMAGE_SIZE, IMAGE_SIZE),
        "image_patch_size": PATCH,
        "image_num_pos": GRID * GRID,
        "float32_attention": True,
        "use_cls_token": False,
        "patch_bias": True,
        "pre_layernorm": False,
    }


def _adapter_config() -> dict[str, Any]:
    return {
        "vit_layers": (-1, -2),
        "hidden_size": _VIT,
        "num_attention_heads": _VIT // _HEAD,
        "num_key_value_heads": _VIT // _HEAD,
        "head_dim": _HEAD,
        "float32_attention": True,
        "hidden_act": "silu",
        "intermediate_size": 384,
        "text_hidden_size": WIDTH,
    }


def _llm_config(embedding_size: int) -> dict[str, Any]:
    return {
        "hidden_size": WIDTH,
        "num_attention_heads": WIDTH // _HEAD,
        "num_key_value_heads": WIDTH // _HEAD,
        "head_dim": _HEAD,
        "num_hidden_layers": 4,
        "intermediate_size": 384,
        "hidden_act": "silu",
        "vocab_size": embedding_size,
        "additional_vocab_size": 8,
        "qkv_bias": False,
        "use_qk_norm": False,
        "norm_after": False,
        "layer_norm_eps": 1e-6,
        "rope_theta": 10000.0,
    }
