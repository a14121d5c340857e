# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Greedy ids of the reference, row by row, with and without drafts."""

import json
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from golden_files import GOLDEN

from molmoact_ros.answer import ActionTokenizer
from molmoact_ros.decoding import Draft, generate
from molmoact_ros.model import MolmoActForActionReasoning
from molmoact_ros.processing import MolmoActProcessor


def _rows() -> list[tuple[str, str, int]]:
    rows = []
    for variant in ("qwen_siglip", "olmo_clip"):
        for entry in json.loads((GOLDEN / variant / "cases/index.json").read_text()):
            rows += [(variant, entry["name"], row) for row in range(len(entry["prompts"]))]
    return rows


@pytest.fixture(scope="module")
def checkpoints() -> Any:
    return {
        name: (
            MolmoActForActionReasoning.from_pretrained(GOLDEN / name),
            MolmoActProcessor.from_pretrained(GOLDEN / name),
        )
        for name in ("qwen_siglip", "olmo_clip")
    }


def _batch(processor: MolmoActProcessor, info: dict, row: int) -> Any:
    frames = [np.asarray(cv2.imread(str(GOLDEN / name)))[:, :, ::-1] for name in info["images"]]
    if not frames:
        return processor(text=info["prompts"][row])
    counts = info["per_prompt"] or [1] * len(frames)
    start = sum(counts[:row])
    images = frames[start : start + counts[row]]
    nested = info["layout"] == "nested"
    return processor(images=images if nested else images[0], text=info["prompts"][row])


@pytest.mark.parametrize(("variant", "name", "row"), _rows())
def test_ids_are_those_of_the_reference(
    checkpoints: Any, variant: Any, name: Any, row: Any, chain: Any
) -> None:
    model, processor = checkpoints[variant]
    index = json.loads((GOLDEN / variant / "cases/index.json").read_text())
    info = next(entry for entry in index if entry["name"] == name)
    with np.load(GOLDEN / variant / "cases" / f"{name}.npz") as arrays:
        reference = arrays["gen.ids"][row].tolist()
    batch = _batch(processor, info, row)

    plain = generate(model, batch, max_new_tokens=len(reference))
    assert plain.ids == reference[: len(plain.ids)]
    assert plain.ended or len(plain.ids) == len(reference)
    assert plain.forward_passes == len(plain.ids) - 1

    draft = Draft.from_tokenizer(
        processor.tokenizer, ActionTokenizer(), model.generation_config.eos_token_id
    )
    assert generate(model, batch, len(reference), draft).ids == plain.ids
    assert generate(model, batch, len(reference), chain(plain.ids)).ids == plain.ids


def test_left_padding_is_dropped(checkpoints: Any) -> None:
    model, _ = checkpoints["qwen_siglip"]
    with np.load(GOLDEN / "qwen_siglip/cases/text_only.npz") as arrays:
        ids = torch.from_numpy(arrays["in.input_ids"])
        reference = arrays["gen.ids"][0].tolist()
    padded = torch.cat([torch.full((1, 5), 7), ids], dim=1)
    mask = torch.cat([torch.zeros(1, 5), torch.ones_like(ids)], dim=1)
    batch = {"input_ids": padded, "attention_mask": mask}
    assert generate(model, batch, len(reference)).ids == reference
