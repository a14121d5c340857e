# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The MolmoAct network as a transformers model, without remote code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from .adapter import VisionBackbone
from .config import MolmoActConfig
from .kv_cache import KVCache
from .layers import RMSNorm
from .llm import Block, BlockFunction, TokenEmbedding, Transformer
from .loading import LoadProgress, load_model
from .memory import Precision
from .vision import VisionTower


class MolmoActModel(nn.Module):
    """Language model and vision backbone under the names that checkpoints use."""

    def __init__(self, config: MolmoActConfig) -> None:
        super().__init__()
        self.transformer = Transformer(config.llm_config)
        self.vision_backbone = VisionBackbone(config)


class MolmoActForActionReasoning(PreTrainedModel):
    """MolmoAct with its language head: images and text in, logits out (format.md 3 to 8).

    Attributes:
        precision: How the weights were kept when they were loaded; None: they were not.
    """

    precision: Precision | None = None

    config_class = MolmoActConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    _supports_sdpa = True
    _no_split_modules = ["Block", "_VisionBlock"]

    def __init__(self, config: MolmoActConfig) -> None:
        super().__init__(config)
        llm = config.llm_config
        self.model = MolmoActModel(config)
        self.lm_head = nn.Linear(llm.hidden_size, llm.vocab_size, bias=False)
        self.post_init()

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        config: MolmoActConfig | None = None,
        dtype: torch.dtype | str | None = None,
        torch_dtype: torch.dtype | str | None = None,
        device: torch.device | str = "cpu",
        revision: str | None = None,
        quantization: str | None = None,
        progress: Callable[[LoadProgress], None] | None = None,
        **auto_class_kwargs: Any,
    ) -> MolmoActForActionReasoning:
        """Load a checkpoint from safetensors files.

        Args:
            pretrained_model_name_or_path: Local directory or hub id.
            config: Replaces ``config.json``.
            dtype: Of the weights in memory; None or "auto" keeps what the files hold.
            torch_dtype: Older name of `dtype`.
            device: Where the weights go, tensor by tensor.
            revision: Branch, tag or commit of a hub id.
            quantization: None, "int8", "int4" or "fp8"; see `quantization.make_quantizer`.
            progress: Called after each tensor.
            **auto_class_kwargs: Accepted from transformers' Auto classes; anything else is refused.

        Raises:
            CheckpointError: A file is missing or broken, or does not fit the network.
            DeviceLostError: The device failed.
            DeviceMemoryError: The device's memory did not suffice; the text names what would fit.
            TypeError: A keyword argument is not known.
            ValueError: `dtype` or `quantization` is unknown or not to be had on `device`.
        """
        unknown = set(auto_class_kwargs) - _AUTO_CLASS_KWARGS
        if unknown:
            raise TypeError(f"from_pretrained: unknown arguments {', '.join(sorted(unknown))}")
        return load_model(
            cls,
            pretrained_model_name_or_path,
            config=config,
            dtype=torch_dtype if dtype is None else dtype,
            device=torch.device(device),
            revision=revision,
            quantization=quantization,
            progress=progress,
        )

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        images: torch.Tensor | None = None,
        pooled_patches_idx: torch.Tensor | None = None,
        image_masks: torch.Tensor | None = None,
    ) -> CausalLMOutput:
        """Run one pass without a cache.

        Args:
            input_ids: ``[B, L]``.
            attention_mask: ``[B, L]``, 0 at padding. Rows of padded positions are meaningless.
            images: ``[B, T, N, P]`` normalised patches.
            pooled_patches_idx: ``[B, M, 4]``.
            image_masks: ``[B, T, N]``; used only with `use_padding_embedding`.

        Returns:
            An object with ``logits`` ``[B, L, vocab_size]``, float32.
        """
        embeds = self.embed(input_ids, images, pooled_patches_idx, image_masks)
        batch, length = input_ids.shape
        position_ids = torch.arange(length, device=input_ids.device).expand(batch, length)
        hidden = self.run(embeds, position_ids, mask=_padding_mask(attention_mask))
        return CausalLMOutput(logits=self.lm_head(hidden).float())

    def embed(
        self,
        input_ids: torch.Tensor,
        images: torch.Tensor | None = None,
        pooled_patches_idx: torch.Tensor | None = None,
        image_masks: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the merged embeddings ``[B, L, D]``; arguments as in `forward` (format.md 6).

        Image features are added to the embedding of the patch token, in flattened batch order.

        Raises:
            ValueError: The number of patch tokens differs from the number of image features.
        """
        embeds = self.model.transformer.wte(input_ids)
        if images is None:
            return embeds
        if pooled_patches_idx is None:
            raise ValueError("images are given without pooled_patches_idx")
        features = self.model.vision_backbone(images, pooled_patches_idx, image_masks)
        at_patch = input_ids == self.config.image_patch_id
        count = int(at_patch.sum())
        if count != len(features):
            raise ValueError(
                f"input_ids hold {count} image patch tokens, but the images give {len(features)}"
                " features: the prompt was not made by the processor for these images"
            )
        added = torch.zeros_like(embeds)
        added[at_patch] = features.to(embeds.dtype)
        return embeds + added

    def run(
        self,
        inputs_embeds: torch.Tensor,
        position_ids: torch.Tensor,
        cache: KVCache | None = None,
        mask: torch.Tensor | None = None,
        compute: BlockFunction = Block.__call__,
    ) -> torch.Tensor:
        """Run the language model on new positions; no host synchronisation, static shapes.

        Args:
            inputs_embeds: ``[B, S, D]``.
            position_ids: ``[B, S]`` rotary positions of the new tokens.
            cache: Holds earlier keys and values, or None.
            mask: Booleans ``[B or 1, 1, S, T]``, true where a new token attends; T counts the
                positions that the cache returns. A shared cache has one of ``[N, 1, S, T]`` for N
                sequences. None: causal over the S new tokens alone.
            compute: Runs one block; another one than the block itself is for compiled functions.

        Returns:
            Hidden states after the last norm, ``[B, S, D]``.
        """
        return self.model.transformer(inputs_embeds, position_ids, cache, mask, compute)

    def get_input_embeddings(self) -> nn.Module:
        """Return the token embedding (both tables)."""
        return self.model.transformer.wte

    def get_output_embeddings(self) -> nn.Module:
        """Return the head. The reference returns nothing here (fidelity.md row 1)."""
        return self.lm_head

    def _init_weights(self, module: nn.Module) -> None:
        std = self.config.initializer_range
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, (nn.LayerNorm, RMSNorm)):
            nn.init.ones_(module.weight)
            if isinstance(module, nn.LayerNorm):
                nn.init.zeros_(module.bias)
        elif isinstance(module, (TokenEmbedding, VisionTower, VisionBackbone)):
            for parameter in module.parameters(recurse=False):
                nn.init.normal_(parameter, std=std)


# What AutoModel*.from_pretrained passes on; none of it changes a local, code-free load.
_AUTO_CLASS_KWARGS = frozenset(
    {
        "_from_auto",
        "adapter_kwargs",
        "attn_implementation",
        "cache_dir",
        "code_revision",
        "force_download",
        "local_files_only",
        "low_cpu_mem_usage",
        "proxies",
        "resume_download",
        "subfolder",
        "token",
        "trust_remote_code",
        "use_auth_token",
        "use_safetensors",
        "_commit_hash",
    }
)


def _padding_mask(attention_mask: torch.Tensor | None) -> torch.Tensor | None:
    """Return the causal mask of a padded batch ``[B, 1, L, L]``, or None without padding."""
    if attention_mask is None or bool(attention_mask.all()):
        return None
    length = attention_mask.shape[1]
    ones = torch.ones(length, length, dtype=torch.bool, device=attention_mask.device)
    mask = ones.tril() & attention_mask.bool()[:, None, None, :]
    # Padded queries attend to themselves: a row without any key would be NaN and spread.
    return mask | torch.eye(length, dtype=torch.bool, device=mask.device)


AutoConfig.register(MolmoActConfig.model_type, MolmoActConfig, exist_ok=True)
AutoModelForImageTextToText.register(MolmoActConfig, MolmoActForActionReasoning, exist_ok=True)
