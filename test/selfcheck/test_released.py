# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The released sizes as built, and the shallow networks of the same widths."""

import json
from typing import Any

import pytest
import torch
from golden_files import DATA

from molmoact_ros.model import MolmoActConfig, MolmoActForActionReasoning
from molmoact_ros.selfcheck import measure
from molmoact_ros.selfcheck.released import RELEASED, released_config, shallow_config

TABLE = json.loads((DATA / "tensors_7b.json").read_text())


@pytest.mark.parametrize("name", RELEASED)
def test_sizes_are_the_released_ones(name: Any) -> None:
    expected = MolmoActConfig.from_dict(TABLE[name.upper()]["config"])
    config = released_config(name)
    for part in ("llm_config", "vit_config", "adapter_config", "image_patch_id"):
        assert getattr(config, part) == getattr(expected, part)


@pytest.mark.parametrize("name", RELEASED)
def test_a_shallow_network_has_all_widths_and_few_blocks(name: Any) -> None:
    shallow, full = shallow_config(released_config(name)), released_config(name)
    with torch.device("meta"):
        models = [MolmoActForActionReasoning(config) for config in (shallow, full)]
    shapes, expected = [
        {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()} for model in models
    ]
    vocabulary = {"lm_head.weight", "model.transformer.wte.embedding"}
    assert {key: shapes[key] for key in shapes if key not in vocabulary} == {
        key: expected[key] for key in shapes if key not in vocabulary
    }
    assert sum(tensor.numel() for tensor in models[0].parameters()) < 0.6e9


@torch.no_grad()
@pytest.mark.parametrize("name", RELEASED)
@pytest.mark.parametrize("size", [1, 8, 16, 32, 64])
def test_a_pass_of_the_released_widths_runs_and_its_operations_are_counted(
    name: Any, size: int
) -> None:
    with torch.device("meta"):
        model = MolmoActForActionReasoning(shallow_config(released_config(name))).bfloat16()
    names = measure.operations(measure.make_block(model, size, 1600))
    assert names.count("mm") >= 5 or names.count("addmm") + names.count("mm") >= 5
    assert not any(view in names for view in ("view", "transpose", "expand", "slice"))
