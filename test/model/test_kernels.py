# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How many kernels a pass starts: on a GPU each costs a few microseconds, whatever it computes."""

import copy
import json

import pytest
import torch
from golden_files import DATA

from benchmarks.kernels import Computing, measure, one_kernel_each
from molmoact_ros.decoding.passes import FixedPass
from molmoact_ros.decoding.static_cache import StaticCache
from molmoact_ros.decoding.tree import block_layout
from molmoact_ros.model import MolmoActConfig, MolmoActForActionReasoning

TABLE = json.loads((DATA / "tensors_7b.json").read_text())


@torch.no_grad()
@pytest.mark.parametrize(("release", "most"), [("7B-D", 25), ("7B-O", 32)])
def test_a_block_of_the_network_starts_few_kernels(release: str, most: int) -> None:
    counts = []
    for layers in (1, 2):
        content = copy.deepcopy(TABLE[release]["config"])
        content["llm_config"]["num_hidden_layers"] = layers
        content["vit_config"]["num_hidden_layers"] = 1
        content["adapter_config"]["vit_layers"] = [-1]
        with torch.device("meta"):
            network = MolmoActForActionReasoning(MolmoActConfig.from_dict(content))
        network = network.to(torch.bfloat16).eval()
        store = StaticCache.for_model(network, 2112)
        run = FixedPass(network, store, 64)
        with one_kernel_each(), Computing() as kernels:
            run([1] * 64, *block_layout(range(-1, 62), 64))
        counts.append(len(kernels.names))
    assert counts[1] - counts[0] <= most
    assert counts[0] - (counts[1] - counts[0]) <= 50, "beside the blocks"


@pytest.mark.long
@pytest.mark.parametrize("release", ["7b-d", "7b-o"])
def test_a_compiled_pass_starts_few_kernels(release: str) -> None:
    eager, compiled = measure(release, 64, "bf16")
    assert compiled["per pass"] <= 400 < eager["per pass"]
    assert compiled["of libraries per block"] == 5, "four products and attention"
