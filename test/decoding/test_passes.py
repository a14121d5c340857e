# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Passes of fixed shape, as CUDA graphs need them, give the numbers of eager passes."""

from typing import Any

import pytest
import torch

from molmoact_ros.decoding import Decoder, generate
from molmoact_ros.decoding.passes import EagerPass, FixedPass
from molmoact_ros.decoding.static_cache import StaticCache
from molmoact_ros.decoding.tree import block_layout

PARENTS = (-1, 0, 0, 2, -1, 4)


def _filled_cache(model: Any) -> StaticCache:
    cache = StaticCache.for_model(model, 40)
    prompt = torch.tensor([[7, 8, 9, 10, 11]], device=model.device)
    positions = torch.arange(5, device=model.device)[None]
    model.run(model.embed(prompt), positions, cache.sliced(5))
    cache.keep(range(5))
    return cache


@torch.no_grad()
@pytest.mark.parametrize("variant", ["qwen_siglip", "olmo_clip"])
def test_fixed_and_eager_passes_agree(random_model: Any, variant: str) -> None:
    model = random_model(4, variant)
    eager_cache, fixed_cache = _filled_cache(model), _filled_cache(model)
    eager, fixed = EagerPass(model, eager_cache), FixedPass(model, fixed_cache, 8)
    depths, visible = block_layout(PARENTS, 8)
    for tokens in ([1, 2, 3, 4, 5, 6, 7, 0], [9, 8, 7, 6, 5, 4, 3, 0]):
        torch.testing.assert_close(
            fixed(tokens, depths, visible), eager(tokens, depths, visible), atol=1e-5, rtol=1e-5
        )
        eager_cache.keep([0, 3, 4])
        fixed_cache.keep([0, 3, 4])


@torch.no_grad()
def test_each_branch_is_what_it_would_be_alone(random_model: Any) -> None:
    model = random_model(6)
    cache = _filled_cache(model)
    tokens = [1, 2, 3, 4, 5, 6, 12, 0]
    depths, visible = block_layout(PARENTS, 8)
    logits = EagerPass(model, cache)(tokens, depths, visible)
    for slots in ([0], [0, 1, 2], [0, 1, 3, 4], [0, 5, 6]):
        text = torch.tensor([[7, 8, 9, 10, 11, *(tokens[slot] for slot in slots)]])
        alone = model(text).logits[0, -1]
        torch.testing.assert_close(logits[slots[-1]], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_cuda_graphs_give_the_same_ids(random_model: Any) -> None:
    model = random_model(8)
    prompt = {"input_ids": torch.tensor([[4, 5, 6]])}
    plain = generate(model, prompt, 40).ids
    try:
        decoder = Decoder(model.to("cuda"), 64)
        lazily_captured = decoder.generate(prompt, 40).ids
        decoder.warm_up(repeats=1)
        assert decoder.generate(prompt, 40).ids == lazily_captured == plain
    finally:
        model.to("cpu")
