# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The network against the reference, stage by stage."""

from typing import Any

import numpy as np
import pytest
import torch

from molmoact_ros.model.adapter import gather_slots

# The reference itself moves by 2e-5 between its two kinds of attention.
ATOL = 1e-4


def _close(actual: torch.Tensor, expected: np.ndarray) -> None:
    torch.testing.assert_close(actual, torch.from_numpy(expected), atol=ATOL, rtol=0)


@torch.no_grad()
def test_vision_tower_and_pooling(image_case: Any, models: Any) -> None:
    backbone, inputs = models[image_case.variant].model.vision_backbone, image_case.inputs()
    outputs = torch.stack(backbone.image_vit.block_outputs(inputs["images"][0, :1]))[:, 0]
    _close(outputs, image_case.arrays["vision.vit_crop0"])
    features = backbone.image_vit(inputs["images"][0]).flatten(0, 1)[None]
    query, slots = gather_slots(features, inputs["pooled_patches_idx"][:1, :16])
    _close(query[:, 0], image_case.arrays["vision.pool_query_head"])
    pooled = backbone.image_pooling_2d(query, slots)[:, 0]
    _close(pooled, image_case.arrays["vision.pool_out_head"])


@torch.no_grad()
def test_features_do_not_see_padding_masks_by_default(image_case: Any, models: Any) -> None:
    """As the reference's forward, which drops them (fidelity.md row 2)."""
    backbone, inputs = models[image_case.variant].model.vision_backbone, image_case.inputs()
    features = backbone(inputs["images"], inputs["pooled_patches_idx"], inputs["image_masks"])
    _close(features, image_case.arrays["vision.features"])


@torch.no_grad()
def test_features_with_padding_embedding(
    image_case: Any, models: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone, inputs = models[image_case.variant].model.vision_backbone, image_case.inputs()
    monkeypatch.setattr(backbone, "use_padding_embedding", True)
    features = backbone(inputs["images"], inputs["pooled_patches_idx"], inputs["image_masks"])
    # A checkpoint without pad_embed has nothing to add.
    without = image_case.arrays["vision.features"]
    _close(features, image_case.arrays.get("vision.features_with_masks", without))


@torch.no_grad()
def test_embeddings_and_logits(case: Any, models: Any) -> None:
    """A whole batch in one pass, left padding included."""
    model, inputs = models[case.variant], case.inputs()
    real = inputs["attention_mask"].bool()
    embeds = model.embed(
        inputs["input_ids"], inputs.get("images"), inputs.get("pooled_patches_idx")
    )
    _close(embeds[real], case.arrays["hidden.embed"][real.numpy()])
    logits = model(**inputs).logits
    assert logits.dtype == torch.float32
    tail = case.arrays["logits.tail"].shape[1]
    seen = real[:, -tail:]
    _close(logits[:, -tail:][seen], case.arrays["logits.tail"][seen.numpy()])
    _close(logits.logsumexp(-1)[real], case.arrays["logits.logsumexp"][real.numpy()])
    expected = case.arrays["logits.argmax"][real.numpy()]
    assert np.array_equal(logits.argmax(-1)[real].numpy(), expected)


@torch.no_grad()
def test_hidden_after_first_block_and_last_norm(single_case: Any, models: Any) -> None:
    model, inputs = models[single_case.variant], single_case.inputs()
    seen = []
    first_block = model.model.transformer.blocks[0]
    hook = first_block.register_forward_hook(lambda _module, _args, output: seen.append(output))
    try:
        embeds = model.embed(
            inputs["input_ids"], inputs.get("images"), inputs.get("pooled_patches_idx")
        )
        hidden = model.run(embeds, torch.arange(embeds.shape[1])[None])
    finally:
        hook.remove()
    _close(seen[0], single_case.arrays["hidden.layer1_in"])
    _close(hidden, single_case.arrays["hidden.last_norm"])


class _GrowingCache:
    """The simplest key/value cache: it concatenates."""

    def __init__(self) -> None:
        self.layers: dict[int, _GrowingLayer] = {}

    def layer(self, index: int) -> "_GrowingLayer":
        return self.layers.setdefault(index, _GrowingLayer())


class _GrowingLayer:
    """One block's part."""

    def __init__(self) -> None:
        self.kept: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(self, keys: Any, values: Any) -> Any:
        if self.kept is not None:
            keys = torch.cat([self.kept[0], keys], dim=2)
            values = torch.cat([self.kept[1], values], dim=2)
        self.kept = keys, values
        return keys, values


@torch.no_grad()
@pytest.mark.parametrize("block", [1, 5])
def test_cached_passes_equal_one_pass(single_case: Any, models: Any, block: int) -> None:
    """Prefill, then blocks of new tokens under a mask, give the logits of one uncached pass."""
    model, inputs = models[single_case.variant], single_case.inputs()
    embeds = model.embed(
        inputs["input_ids"], inputs.get("images"), inputs.get("pooled_patches_idx")
    )
    length, prefix = embeds.shape[1], embeds.shape[1] - 11
    positions = torch.arange(length)[None]
    expected = model.run(embeds, positions)
    cache = _GrowingCache()
    parts = [model.run(embeds[:, :prefix], positions[:, :prefix], cache)]
    for start in range(prefix, length, block):
        stop = min(start + block, length)
        mask = positions[:, None, start:stop, None] >= positions[:, None, None, :stop]
        parts.append(model.run(embeds[:, start:stop], positions[:, start:stop], cache, mask))
    torch.testing.assert_close(torch.cat(parts, dim=1), expected, atol=ATOL, rtol=0)
