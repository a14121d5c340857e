# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How much memory a training needs, by the shapes of the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from molmoact_ros.model import MolmoActConfig
from molmoact_ros.model.memory import Precision, memory_need

from .network import adapted_layers

_ADAM = 4 * 4  # bytes of a trained value: itself, its gradient, two moments, each float32
_INNER = 34  # values of a block's inner states, in units of its width, a token
_LOGITS = 3  # copies of the logits in float32: themselves, their gradient, the loss
_OVERHEAD = 600_000_000  # torch, and what it keeps for kernels


@dataclass(frozen=True)
class Need:
    """Bytes of a training.

    Attributes:
        weights: Of the network as it is loaded.
        trained: Of what changes, with gradients and the optimizer's state.
        inner: States between forward and backward pass, of the samples that are computed at once.
    """

    weights: int
    trained: int
    inner: int

    @property
    def total(self) -> int:
        """All together, with what torch itself takes."""
        return self.weights + self.trained + self.inner + _OVERHEAD


def training_need(
    model: nn.Module,
    config: MolmoActConfig,
    shapes: Mapping[str, tuple[int, ...]],
    lora: int,
    dtype: torch.dtype,
    sizes: tuple[int, int, int, int],
    recompute: bool,
) -> Need:
    """Compute what a training needs on its device.

    Args:
        model: The network, which may be on the meta device.
        config: Its configuration.
        shapes: All its tensors by name.
        lora: Rank of the adapters; 0: all weights.
        dtype: In which weights are kept.
        sizes: Samples at once, tokens of a sample, those of its answer, crops of its images.
        recompute: Whether blocks keep their inputs alone.
    """
    weights = memory_need(config, shapes, Precision(dtype), 0).weights
    if lora:
        matrices = (shapes[f"{name}.weight"] for name in adapted_layers(model))
        trained = sum(lora * (rows + columns) for rows, columns in matrices) * _ADAM
    else:
        trained, weights = (weights // dtype.itemsize) * _ADAM, 0
    samples, tokens, answer, crops = sizes
    llm, vit = config.llm_config, config.vit_config
    item = 2 if dtype == torch.bfloat16 else 4

    def inner(width: int, layers: int, count: int) -> int:
        kept = (layers + _INNER) if recompute else layers * _INNER
        return kept * width * count * item

    states = inner(llm.hidden_size, llm.num_hidden_layers, tokens)
    states += inner(vit.hidden_size, max(config.vit_layers) + 1, crops * vit.image_num_pos)
    logits = _LOGITS * 4 * answer * llm.vocab_size
    return Need(weights, trained, samples * (states + logits))
