# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What comes before the first token: the checked prompt, its embedding and its prefill."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from molmoact_ros.model import MolmoActForActionReasoning

from .static_cache import ContextTooLongError, StaticCache

_IMAGES = ("images", "pooled_patches_idx", "image_masks")


class Prompt:
    """One prompt with its images, on the network's device."""

    def __init__(
        self,
        model: MolmoActForActionReasoning,
        batch: Mapping[str, Any],
        max_new_tokens: int,
        capacity: int,
    ) -> None:
        """Check a prompt and send it to the device.

        Args:
            model: the network.
            batch: what MolmoActProcessor returns, batch 1 (left padding is dropped).
            max_new_tokens: most tokens of the answer.
            capacity: tokens of prompt and answer that fit.

        Raises:
            ContextTooLongError: when prompt and answer exceed the capacity.
            ValueError: when the batch does not hold exactly one prompt, or max_new_tokens < 1.
        """
        self._model = model
        self._inputs = {key: torch.as_tensor(v).to(model.device) for key, v in batch.items()}
        ids = self._inputs["input_ids"]
        if ids.ndim != 2 or ids.shape[0] != 1:
            raise ValueError(f"generate takes one prompt, input_ids has shape {list(ids.shape)}")
        if max_new_tokens < 1:
            raise ValueError(f"max_new_tokens is {max_new_tokens}, it must be at least 1")
        if "attention_mask" in self._inputs:
            ids = ids[self._inputs["attention_mask"].bool()][None]
        if ids.shape[1] + max_new_tokens > capacity:
            raise ContextTooLongError(
                f"The prompt has {ids.shape[1]} tokens and max_new_tokens is {max_new_tokens}, but "
                f"the cache holds {capacity}. Raise its capacity, shorten the instruction or "
                "lower max_new_tokens."
            )
        self._ids = ids

    def embed(self) -> Tensor:
        """Return the embeddings [1, L, D] of text and images."""
        images = {key: self._inputs.get(key) for key in _IMAGES}
        return self._model.embed(self._ids, **images)

    def prefill(self, embeds: Tensor, cache: StaticCache) -> Tensor:
        """Fill an empty cache and return the logits [1, E] behind the last token."""
        cache.length = 0
        length = embeds.shape[1]
        positions = torch.arange(length, device=embeds.device)[None]
        hidden = self._model.run(embeds, positions, cache.sliced(length))
        cache.length = length
        return self._model.lm_head(hidden[:, -1])  # all other positions are known already


def eos_ids(model: MolmoActForActionReasoning) -> frozenset[int]:
    """Return the tokens that end an answer of a network."""
    for config in (getattr(model, "generation_config", None), model.config):
        eos = getattr(config, "eos_token_id", None)
        if eos is not None:
            return frozenset([eos] if isinstance(eos, int) else eos)
    return frozenset()
