# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The network in training: which weights change, and the loss of a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from molmoact_ros.model import MolmoActForActionReasoning

from .losses import AnswerLoss, float32_attention, mixed_precision
from .samples import Batch

SMALL = 100_000_000  # parameters, up to which all weights are trained unless LoRA is asked for
_ADAPTER = "default"
_DROPOUT = 0.05


class Trained:
    """A network and what is trained of it.

    Attributes:
        model: On its device; adapters of `peft` are inside where there are any.
        parameters: Those that change, by name.
        bfloat16: Whether matrices are multiplied in bfloat16.
        lora: Rank of the adapters; 0: none.
    """

    def __init__(
        self,
        model: MolmoActForActionReasoning,
        loss: AnswerLoss,
        lora: int,
        bfloat16: bool,
        recompute: bool,
    ) -> None:
        """Prepare the network.

        Args:
            model: As loaded.
            loss: Of the answers.
            lora: Rank of the adapters; 0: all weights are trained.
            bfloat16: Whether matrices are multiplied in bfloat16.
            recompute: Whether blocks forget their inner states until the gradients need them.
        """
        self.model, self._loss, self.bfloat16, self.lora = model, loss, bfloat16, lora
        self.device = next(model.parameters()).device
        if lora:
            _add_adapters(model, lora)
        else:
            model.requires_grad_(True)
        if recompute:
            self._recompute_blocks()
        self.parameters = {
            name: weights for name, weights in model.named_parameters() if weights.requires_grad
        }

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the loss of a batch."""
        batch = batch.to(self.device)
        low = self.bfloat16
        with mixed_precision(self.device.type) if low else nullcontext():
            embeds = self.model.embed(batch.ids, batch.images, batch.pooled)
            positions = torch.arange(batch.ids.shape[1], device=self.device)
            hidden = self.model.run(embeds, positions.expand(len(batch.ids), -1))
            logits = self.model.lm_head(hidden.flatten(0, 1)[batch.predicts])
        return self._loss(logits.float(), batch.answers)

    def _recompute_blocks(self) -> None:
        """Let blocks keep their inputs alone."""
        device = self.device.type if self.bfloat16 else "meta"
        parts = self.model.model
        for block in (
            *parts.transformer.blocks,
            *parts.vision_backbone.image_vit.transformer.resblocks,
        ):
            block.forward = partial(
                checkpoint,
                block.forward,
                use_reentrant=False,
                context_fn=lambda: (nullcontext(), float32_attention(device)),
            )

    def changes(self) -> Mapping[str, Callable[[torch.Tensor], torch.Tensor]]:
        """Return what becomes of stored tensors, by their names in the checkpoint."""
        if not self.lora:
            return {name: partial(_replaced, w) for name, w in self.parameters.items()}
        from peft.tuners.lora import LoraLayer

        return {
            f"{name}.weight": partial(_added, layer)
            for name, layer in self.model.named_modules()
            if isinstance(layer, LoraLayer)
        }


def adapted_layers(model: nn.Module) -> list[str]:
    """Return the layers that get adapters: all matrices but those of the vocabulary."""
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name != "lm_head"
    ]


def _add_adapters(model: MolmoActForActionReasoning, rank: int) -> None:
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=_DROPOUT,
        target_modules=adapted_layers(model),
    )
    model.requires_grad_(False)
    inject_adapter_in_model(config, model, adapter_name=_ADAPTER)
    for name, weights in model.named_parameters():
        if "lora_" in name:
            weights.data = weights.data.float()  # AdamW's small steps vanish in bfloat16


def _replaced(weights: torch.Tensor, stored: torch.Tensor) -> torch.Tensor:
    return weights.detach().cpu().to(stored.dtype)


def _added(layer: Any, stored: torch.Tensor) -> torch.Tensor:
    delta = layer.get_delta_weight(_ADAPTER).detach().float().cpu()
    return (stored.float() + delta).to(stored.dtype)


def find_vqvae(folder: Path) -> Path | None:
    """Return the file of a checkpoint's VQ-VAE."""
    files = (folder / name for name in ("vae-final.safetensors", "vae-final.pt"))
    return next((file for file in files if file.is_file()), None)
