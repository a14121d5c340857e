# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Measurements on a CPU, and what is asked of a GPU by a stand-in."""

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from molmoact_ros.selfcheck import measure
from molmoact_ros.selfcheck.prompts import random_prompt

CPU = torch.device("cpu")
GPU = torch.device("cuda:1")


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_cpu_has_the_numbers_of_a_cpu(small_config: Any, dtype: Any) -> None:
    assert measure.difference_from_cpu(small_config, dtype, CPU) == (0.0, True)


@torch.no_grad()
@pytest.mark.parametrize("part", ["image_vit.patch_embedding", "image_projector.w1"])
def test_a_device_that_computes_vision_otherwise_is_found(
    monkeypatch: pytest.MonkeyPatch, small_config: Any, part: str
) -> None:
    """The copy that goes to the device comes back with a fault."""

    def spoiled(model: Any) -> Any:
        model = original(model)
        if isinstance(model, torch.nn.Module):
            weight = model.get_parameter(f"model.vision_backbone.{part}.weight")
            weight.mul_(1.5)
        return model

    original = copy.deepcopy
    monkeypatch.setattr(measure.copy, "deepcopy", spoiled)
    difference, close = measure.difference_from_cpu(small_config, torch.float32, CPU)
    assert not close and difference > 1e-3


def test_random_prompts_fit_the_network(small_config: Any) -> None:
    batch = random_prompt(small_config, seed=1, images=2, text_tokens=30)
    patches = (batch["input_ids"] == small_config.image_patch_id).sum().item()
    assert batch["input_ids"].dtype == torch.int64
    assert batch["pooled_patches_idx"].shape == (1, patches, 4)
    assert batch["input_ids"].shape == (1, patches + 30)
    crops = batch["images"][0]
    assert len(crops) == 4 and torch.equal(crops[0], crops[1]) and torch.equal(crops[2], crops[3])
    assert not torch.equal(crops[0], crops[2])
    again = random_prompt(small_config, seed=1, images=2, text_tokens=30)
    assert all(torch.equal(batch[name], again[name]) for name in batch)


@torch.no_grad()
def test_operations_are_kernels_and_not_views() -> None:
    names = measure.operations(lambda: (torch.ones(2, 3).T.contiguous() @ torch.ones(2, 2)).view(6))
    assert names == ["ones", "clone", "ones", "mm"]
    q = torch.ones(1, 1, 4, 8)
    attend = torch.nn.functional.scaled_dot_product_attention
    assert measure.attention_of(measure.operations(lambda: attend(q, q, q))) != ["math"]
    assert measure.attention_of(["mm", "softmax"]) == ["math"]


def test_a_copy_moves_bytes() -> None:
    assert 1e8 < measure.copy_bandwidth(CPU) < 1e13


def test_what_is_asked_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    properties = SimpleNamespace(name="Card", major=8, minor=9, multi_processor_count=128)
    asked = []
    for name, value in {
        "get_device_properties": properties,
        "mem_get_info": (20 * 10**9, 24 * 10**9),
        "max_memory_allocated": 17 * 10**9,
        "reset_peak_memory_stats": None,
    }.items():

        def answer(device: Any, value: Any = value) -> Any:
            asked.append(device)
            return value

        monkeypatch.setattr(torch.cuda, name, answer)
    values = measure.device_values(GPU)
    assert values["gpu"] == "Card" and values["capability"] == "8.9"
    assert values["free_bytes"] == 20 * 10**9 and values["total_bytes"] == 24 * 10**9
    measure.start_peak(GPU)
    assert measure.peak_bytes(GPU) == 17 * 10**9
    assert set(asked) == {GPU}, "not of the current device"
