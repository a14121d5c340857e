# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From image crops to vectors of the language model's width (format.md 5)."""

from __future__ import annotations

import torch
from torch import nn

from .config import AdapterConfig, MolmoActConfig
from .layers import activation
from .vision import VisionAttention, VisionTower


class _Projector(nn.Module):
    """Gated MLP without biases: ``w2(act(w1 x) * w3 x)``."""

    def __init__(self, config: AdapterConfig) -> None:
        super().__init__()
        self.w1 = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.w2 = nn.Linear(config.intermediate_size, config.text_hidden_size, bias=False)
        self.w3 = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.act = activation(config.hidden_act)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.w2(self.act(self.w1(x)) * self.w3(x))


class VisionBackbone(nn.Module):
    """Vision tower, pooling of 2x2 patches by attention, and projector.

    Attributes:
        use_padding_embedding: Add ``pad_embed`` to padded patches when masks are given. The
            reference's forward drops the masks (fidelity.md row 2), so this is off; training of the
            checkpoints that hold ``pad_embed`` used it.
    """

    def __init__(self, config: MolmoActConfig) -> None:
        super().__init__()
        adapter = config.adapter_config
        features = config.vit_config.hidden_size * len(config.vit_layers)
        self.use_padding_embedding = False
        self.pad_embed: nn.Parameter | None = None
        if adapter.image_padding_embed is not None:
            self.pad_embed = nn.Parameter(torch.empty(2, features))
        self.image_vit = VisionTower(config.vit_config, config.vit_layers)
        self.image_pooling_2d = VisionAttention(
            features,
            adapter.hidden_size,
            adapter.num_attention_heads,
            adapter.num_key_value_heads,
            adapter.head_dim,
            adapter.float32_attention,
        )
        self.image_projector = _Projector(adapter)

    def forward(
        self,
        images: torch.Tensor,
        pooled_patches_idx: torch.Tensor,
        image_masks: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Encode the crops of a batch.

        Args:
            images: ``[B, T, N, P]`` normalised patches.
            pooled_patches_idx: ``[B, M, 4]`` indices into T * N, -1 for nothing.
            image_masks: ``[B, T, N]`` share of valid pixels, or None.

        Returns:
            ``[tokens, text width]``: one row per image token, in batch order.
        """
        features = self._encode(images)
        features = self._mark_padding(features, image_masks)
        query, slots = gather_slots(features.flatten(1, 2), pooled_patches_idx)
        pooled = self.image_pooling_2d(query, slots).squeeze(1)
        kept = (pooled_patches_idx >= 0).any(dim=-1).flatten()
        return self.image_projector(pooled[kept])

    def _encode(self, images: torch.Tensor) -> torch.Tensor:
        """Return features ``[B, T, N, A]``; equal neighbours of one image are encoded once."""
        batch, crops = images.shape[:2]
        images = images.to(self.image_vit.patch_embedding.weight.dtype)
        if batch > 1:
            return self.image_vit(images.flatten(0, 1)).unflatten(0, (batch, crops))
        # An image that fits one crop has a high-resolution crop equal to its base crop (9.2).
        repeats = (images[0, 1:] == images[0, :-1]).flatten(1).all(dim=1).tolist()
        first = [0] + [crop for crop in range(1, crops) if not repeats[crop - 1]]
        source = [sum(crop >= start for start in first) - 1 for crop in range(crops)]
        return self.image_vit(images[0, first])[source][None]

    def _mark_padding(
        self, features: torch.Tensor, image_masks: torch.Tensor | None
    ) -> torch.Tensor:
        if not self.use_padding_embedding or self.pad_embed is None or image_masks is None:
            return features
        empty = (image_masks == 0)[..., None]
        partial = ((image_masks < 1) & (image_masks != 0))[..., None]
        return features + self.pad_embed[0] * empty + self.pad_embed[1] * partial


def gather_slots(
    features: torch.Tensor, pooled_patches_idx: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Collect the four patches of each image token and their mean (format.md 5.2 and 5.3).

    Args:
        features: ``[B, T * N, A]``.
        pooled_patches_idx: ``[B, M, 4]``, -1 for nothing.

    Returns:
        Queries ``[B * M, 1, A]`` and slots ``[B * M, 4, A]``. Empty slots are zero vectors and
        still count in the mean: the mean divides by 4 always.
    """
    rows = torch.arange(len(features), device=features.device)[:, None, None]
    valid = (pooled_patches_idx >= 0)[..., None].to(features.dtype)
    slots = features[rows, pooled_patches_idx.clamp(min=0)] * valid
    slots = slots.flatten(0, 1)
    return slots.mean(dim=1, keepdim=True), slots
