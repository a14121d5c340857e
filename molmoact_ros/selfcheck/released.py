# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The sizes of the released networks, to build them with random weights where none are at hand."""

from __future__ import annotations

import copy
from typing import Any

from molmoact_ros.model import MolmoActConfig

_LLM = {
    "head_dim": 128, "hidden_act": "silu", "additional_vocab_size": 128, "layer_norm_eps": 1e-6,
}  # fmt: skip
_VIT = {"image_patch_size": 14, "num_attention_heads": 16, "num_key_value_heads": 16,
        "float32_attention": True}  # fmt: skip
_ADAPTER = {"hidden_act": "silu", "num_attention_heads": 16, "num_key_value_heads": 16,
            "float32_attention": True}  # fmt: skip

_CONFIGS: dict[str, dict[str, Any]] = {
    "7b-d": {
        "llm_config": {
            **_LLM, "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
            "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064,
            "qkv_bias": True, "use_qk_norm": False, "norm_after": False, "rope_theta": 1e6,
        },
        "vit_config": {
            **_VIT, "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27,
            "head_dim": 72, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6,
            "image_default_input_size": [378, 378], "image_num_pos": 729,
            "use_cls_token": False, "patch_bias": True, "pre_layernorm": False,
        },
        "adapter_config": {
            **_ADAPTER, "vit_layers": [-3, -9], "hidden_size": 1152, "head_dim": 72,
            "intermediate_size": 18944, "text_hidden_size": 3584,
        },
        "image_patch_id": 152066,
    },
    "7b-o": {
        "llm_config": {
            **_LLM, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
            "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 100864,
            "qkv_bias": False, "use_qk_norm": True, "norm_after": True, "rope_theta": 5e5,
        },
        "vit_config": {
            **_VIT, "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23,
            "head_dim": 64, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
            "image_default_input_size": [336, 336], "image_num_pos": 577,
            "use_cls_token": True, "patch_bias": False, "pre_layernorm": True,
        },
        "adapter_config": {
            **_ADAPTER, "vit_layers": [-2, -9], "hidden_size": 1024, "head_dim": 64,
            "intermediate_size": 11008, "text_hidden_size": 4096,
            "image_padding_embed": "pad_and_partial_pad",
        },
        "image_patch_id": 100866,
    },
}  # fmt: skip

RELEASED = tuple(_CONFIGS)


def released_config(name: str) -> MolmoActConfig:
    """Return the configuration of one of `RELEASED`, without action statistics."""
    return MolmoActConfig(**copy.deepcopy(_CONFIGS[name]))


def shallow_config(config: MolmoActConfig) -> MolmoActConfig:
    """Return a network of the same widths with one block, two vision blocks and few tokens.

    Small enough for a CPU to compute beside a GPU, whatever the size of the original.
    """
    content = config.to_dict()
    llm, vit, adapter = (content[key] for key in ("llm_config", "vit_config", "adapter_config"))
    llm["num_hidden_layers"], llm["vocab_size"] = 1, 512
    vit["num_hidden_layers"] = 2
    adapter["vit_layers"] = [-1, -2]
    content |= {"image_patch_id": 514, "norm_stats": None}
    return MolmoActConfig.from_dict(content)
