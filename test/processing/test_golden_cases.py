# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From image files and prompts to tokens: each prompt of each golden case on its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from golden_files import GOLDEN

from molmoact_ros.model import MolmoActForActionReasoning
from molmoact_ros.processing import MolmoActProcessor

VARIANTS = ("qwen_siglip", "olmo_clip")


class _GrowingCache:
    def __init__(self) -> None:
        self.layers: dict[int, _GrowingLayer] = {}

    def layer(self, index: int) -> _GrowingLayer:
        return self.layers.setdefault(index, _GrowingLayer())


class _GrowingLayer:
    def __init__(self) -> None:
        self.kept: Any = None

    def update(self, keys: Any, values: Any) -> Any:
        if self.kept is not None:
            keys = torch.cat([self.kept[0], keys], dim=2)
            values = torch.cat([self.kept[1], values], dim=2)
        self.kept = keys, values
        return keys, values


ROWS = [
    pytest.param(variant, entry, row, id=f"{variant}-{entry['name']}-{row}")
    for variant in VARIANTS
    for entry in json.loads((GOLDEN / variant / "cases" / "index.json").read_text())
    for row in range(len(entry["prompts"]))
]


@pytest.fixture(scope="module")
def models() -> Any:
    return {name: MolmoActForActionReasoning.from_pretrained(GOLDEN / name) for name in VARIANTS}


def _images_of_row(entry: dict[str, Any], row: Any, read_image: Callable[[str], np.ndarray]) -> Any:
    """Return what a user passes: None, a bare image, or a list of images."""
    if entry["layout"] == "none":
        return None
    if entry["layout"] == "flat":
        return read_image(entry["images"][row])
    start = sum(entry["per_prompt"][:row])
    names = entry["images"][start : start + entry["per_prompt"][row]]
    return [read_image(name) for name in names]


@pytest.mark.parametrize(("variant", "entry", "row"), ROWS)
def test_processor_output(
    variant: str,
    entry: dict[str, Any],
    row: Any,
    processors: dict[str, MolmoActProcessor],
    read_image: Callable[[str], np.ndarray],
) -> None:
    processor = processors[variant]
    assert processor.wrap(entry["prompts"][row]) == entry["texts"][row]
    images = _images_of_row(entry, row, read_image)
    batch = processor(images=images, text=entry["prompts"][row])
    with np.load(GOLDEN / variant / "cases" / f"{entry['name']}.npz") as expected:
        real = expected["in.attention_mask"][row].astype(bool)
        assert np.array_equal(batch["input_ids"][0].numpy(), expected["in.input_ids"][row][real])
        assert bool(batch["attention_mask"].all())
        if images is None:
            assert set(batch) == {"input_ids", "attention_mask"}
            return
        index = batch["pooled_patches_idx"][0].numpy()
        assert np.array_equal(index, expected["in.pooled_patches_idx"][row][: len(index)])
        masks = batch["image_masks"][0].numpy()
        assert np.array_equal(masks, expected["in.image_masks"][row][: len(masks)])
        pixels = batch["images"][0].numpy()
        stored = expected["in.images"][row][: len(pixels)]
        np.testing.assert_allclose(pixels[: len(stored)], stored, atol=1e-6, rtol=0)
        sums = expected["images.sum_per_crop"][row][: len(pixels)]
        np.testing.assert_allclose(pixels.sum((1, 2), dtype=np.float64), sums, atol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize(("variant", "entry", "row"), ROWS)
def test_logits_and_greedy_text(
    variant: str,
    entry: dict[str, Any],
    row: Any,
    processors: dict[str, MolmoActProcessor],
    models: Any,
    read_image: Callable[[str], np.ndarray],
) -> None:
    """Plain decoding, one token per pass, with the simplest cache."""
    processor, model = processors[variant], models[variant]
    images = _images_of_row(entry, row, read_image)
    batch = processor(images=images, text=entry["prompts"][row])
    length = batch["input_ids"].shape[1]
    with np.load(GOLDEN / variant / "cases" / f"{entry['name']}.npz") as file:
        tail, expected_ids = file["logits.tail"][row], file["gen.ids"][row].tolist()
    logits = model(**batch).logits[0, -len(tail) :].numpy()
    np.testing.assert_allclose(logits, tail[-length:], atol=1e-4, rtol=0)

    cache = _GrowingCache()
    ids: list[int] = []
    embeds = model.embed(batch["input_ids"], batch.get("images"), batch.get("pooled_patches_idx"))
    hidden = model.run(embeds, torch.arange(length)[None], cache)
    while len(ids) < len(expected_ids) and processor.tokenizer.eos_token_id not in ids:
        ids.append(int(model.lm_head(hidden[:, -1]).argmax()))
        now = length + len(ids)
        mask = torch.ones(1, 1, 1, now, dtype=torch.bool)
        token = model.embed(torch.tensor([ids[-1:]]))
        hidden = model.run(token, torch.tensor([[now - 1]]), cache, mask)
    assert ids == expected_ids[: len(ids)]
    assert processor.decode(ids) == entry["gen_text"][row]
