# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whole passes of the released sizes with what each of torch's attention kernels for GPUs returns.

The kernels differ in the layout of their output. Torch knows it without a GPU: on the meta device
each kernel computes shapes and strides only.
"""

import copy
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from golden_files import DATA
from torch import Tensor

from molmoact_ros.decoding.passes import EagerPass, FixedPass
from molmoact_ros.decoding.static_cache import StaticCache
from molmoact_ros.decoding.tree import block_layout
from molmoact_ros.model import MolmoActConfig, MolmoActForActionReasoning

TABLE = json.loads((DATA / "tensors_7b.json").read_text())
SIZES = (1, 8, 16, 32, 64)
PROMPT, CAPACITY = 700, 2048 + 64
kernels = torch.ops.aten


def _math(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    gqa = q.shape[1] != k.shape[1]
    return kernels._scaled_dot_product_attention_math(
        q, k, v, mask, 0.0, causal, None, enable_gqa=gqa
    )[0]


def _efficient(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    if q.shape[1] != k.shape[1]:
        return _math(q, k, v, mask, causal)  # refuses heads that share keys
    return kernels._scaled_dot_product_efficient_attention(
        q, k, v, _bias(q, k, mask), False, 0.0, causal
    )[0]


def _flash(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    if mask is not None or q.dtype == torch.float32:
        return _efficient(q, k, v, mask, causal)  # refuses both
    return kernels._scaled_dot_product_flash_attention(q, k, v, 0.0, causal)[0]


def _cudnn(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    if q.dtype == torch.float32:
        return _efficient(q, k, v, mask, causal)
    return kernels._scaled_dot_product_cudnn_attention(
        q, k, v, _bias(q, k, mask), False, 0.0, causal
    )[0]


def _bias(q: Tensor, k: Tensor, mask: Tensor | None) -> Tensor | None:
    if mask is None:
        return None
    return mask.to(q.dtype).expand(q.shape[0], q.shape[1], q.shape[2], k.shape[2])


@pytest.fixture(params=[_math, _efficient, _flash, _cudnn], ids=lambda kernel: kernel.__name__[1:])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all attention be computed by one of the kernels, as torch would where others refuse."""

    def attend(
        q: Any,
        k: Any,
        v: Any,
        attn_mask: Any = None,
        is_causal: Any = False,
        enable_gqa: Any = False,
    ) -> Any:
        return request.param(q, k, v, attn_mask, is_causal)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", attend)


@pytest.fixture(scope="module")
def build() -> Callable[[str, torch.dtype], MolmoActForActionReasoning]:
    """Build a released network without memory, with one block and two vision blocks."""

    @cache
    def make(release: str, dtype: torch.dtype) -> MolmoActForActionReasoning:
        content = copy.deepcopy(TABLE[release]["config"])
        content["llm_config"]["num_hidden_layers"] = 1
        content["vit_config"]["num_hidden_layers"] = 2
        content["adapter_config"]["vit_layers"] = [-1, -2]
        with torch.device("meta"):
            return MolmoActForActionReasoning(MolmoActConfig.from_dict(content)).to(dtype).eval()

    return make


@torch.no_grad()
@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("release", ["7B-D", "7B-O"])
def test_whole_passes_run(build: Any, release: str, dtype: Any) -> None:
    model = build(release, dtype)
    llm = model.config.llm_config
    store = StaticCache.for_model(model, CAPACITY)
    embeds = torch.empty(1, PROMPT, llm.hidden_size, device="meta", dtype=dtype)
    positions = torch.arange(PROMPT, device="meta")[None]
    assert model.run(embeds, positions, store.sliced(PROMPT)).shape == embeds.shape
    store.length = PROMPT
    for size in SIZES:
        depths, visible = block_layout(range(-1, size - 2), size)
        for kind in (EagerPass(model, store), FixedPass(model, store, size)):
            logits = kind([1] * size, depths, visible)
            assert logits.shape == (size, llm.vocab_size) and logits.dtype == dtype


@torch.no_grad()
@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("release", ["7B-D", "7B-O"])
def test_vision_runs(monkeypatch: pytest.MonkeyPatch, build: Any, release: str, dtype: Any) -> None:
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda kind: False)  # unknown for "meta"
    model = build(release, dtype)
    vit, backbone = model.config.vit_config, model.model.vision_backbone
    rows, columns = vit.patch_grid
    pixels = 3 * vit.image_patch_size**2
    patches = torch.empty(4, rows * columns, pixels, device="meta", dtype=dtype)
    features = backbone.image_vit(patches)
    assert features.shape == (4, rows * columns, 2 * vit.hidden_size)
    slots = torch.empty(196, 4, features.shape[-1], device="meta", dtype=dtype)
    pooled = backbone.image_pooling_2d(slots.mean(1, keepdim=True), slots).squeeze(1)
    text_width = model.config.llm_config.hidden_size
    assert backbone.image_projector(pooled).shape == (196, text_width)
