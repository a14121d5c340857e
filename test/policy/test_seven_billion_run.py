# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One run at MolmoAct-7B-D's widths and vocabulary: camera frame to parsed answer.

Random weights, one block of the language model and two of the vision tower instead of 28 and 27,
and a head that shares the memory of the embedding: 3.3 GB in float32, 1.7 GB in bfloat16.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from golden_files import DATA

from benchmarks.full_size import make_processor
from molmoact_ros.answer import parse_answer, reasoning_prompt
from molmoact_ros.decoding import generate
from molmoact_ros.model import MolmoActConfig, MolmoActForActionReasoning
from molmoact_ros.processing import MolmoActProcessor

pytestmark = pytest.mark.network
BASE_SIZE, EMBEDDINGS = 151_643, 152_064
STATS = {"molmoact": {"action": {"q01": [-1.0] * 7, "q99": [1.0] * 7}}}


@pytest.fixture(scope="module")
def processor(tmp_path_factory: pytest.TempPathFactory) -> MolmoActProcessor:
    """Return a tokenizer with the ids of 7B-D: 151,643 base tokens, then specials."""
    directory = tmp_path_factory.mktemp("7b")
    make_processor(directory, EMBEDDINGS)
    return MolmoActProcessor.from_pretrained(directory)


def _network(dtype: Any) -> Any:
    content = json.loads((DATA / "tensors_7b.json").read_text())["7B-D"]["config"]
    content["llm_config"]["num_hidden_layers"] = 1
    content["vit_config"]["num_hidden_layers"] = 2
    content["adapter_config"]["vit_layers"] = [-1, -2]
    config = MolmoActConfig.from_dict({**content, "eos_token_id": BASE_SIZE})
    with torch.device("meta"):
        model = MolmoActForActionReasoning(config)
    noise = torch.randn(1_000_003, generator=torch.Generator().manual_seed(0)).to(dtype) * 0.02
    model.lm_head.weight = model.model.transformer.wte.embedding
    # Shared, so listed once: under the embedding's name.
    for name, parameter in list(model.named_parameters()):
        parent, _, leaf = name.rpartition(".")
        shape = parameter.shape
        value = _filled(shape, noise) if len(shape) > 1 else torch.ones(shape)
        setattr(model.get_submodule(parent), leaf, torch.nn.Parameter(value.to(dtype)))
    model.lm_head.weight = model.model.transformer.wte.embedding
    return model.eval()


def _filled(shape: tuple[int, ...], noise: torch.Tensor) -> torch.Tensor:
    """Repeat noise over a tensor: drawing a billion numbers would take longer than the test."""
    tensor = torch.empty(shape, dtype=noise.dtype)
    for piece in tensor.view(-1).split(len(noise)):
        piece.copy_(noise[: len(piece)])
    return tensor


def _free_gigabytes() -> float:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if "MemAvailable" in line) / 1e6


@pytest.mark.parametrize(
    ("dtype", "gigabytes"), [(torch.bfloat16, 3), (torch.float32, 6)], ids=["bfloat16", "float32"]
)
def test_frame_to_answer(processor: MolmoActProcessor, dtype: Any, gigabytes: float) -> None:
    free = _free_gigabytes()
    if free < gigabytes:
        pytest.skip(f"needs {gigabytes} GB of free memory, {free:.1f} are there")
    frame = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    batch = processor(images=frame, text=reasoning_prompt("close the box", 1))
    # format.md 10.2: 424 image tokens for an image of up to 378 px.
    ids = batch["input_ids"][0]
    assert int((ids >= EMBEDDINGS).sum()) == 424
    assert int((ids == 152_066).sum()) == batch["pooled_patches_idx"].shape[1] == 392

    model = _network(dtype)
    assert sum(p.numel() for p in model.parameters()) > 0.8e9
    result = generate(model, batch, max_new_tokens=4)
    assert len(result.ids) == 4 and max(result.ids) < EMBEDDINGS
    answer = parse_answer(processor.decode(result.ids), STATS, "molmoact")
    assert answer.problems and answer.depth is None
