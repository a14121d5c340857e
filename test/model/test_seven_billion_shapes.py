# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The released sizes: every tensor name and shape, and what they weigh."""

import json
import math
from typing import Any

import pytest
import torch
from golden_files import DATA

from molmoact_ros.model import MolmoActConfig, MolmoActForActionReasoning
from molmoact_ros.model.quantization import is_quantized

# Names with {i} stand for "count" tensors, one per block.
TABLE = json.loads((DATA / "tensors_7b.json").read_text())


@pytest.mark.parametrize("release", TABLE)
def test_names_and_shapes(release: Any) -> None:
    expected = {}
    for name, entry in TABLE[release]["tensors"].items():
        for index in range(entry["count"]):
            expected[name.replace("{i}", str(index))] = tuple(entry["shape"])
    config = MolmoActConfig.from_dict(TABLE[release]["config"])
    with torch.device("meta"):
        model = MolmoActForActionReasoning(config)
    actual = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert actual == expected
    assert len(actual) == TABLE[release]["tensor_count"]
    assert sum(map(math.prod, actual.values())) == TABLE[release]["parameters"]
    assert not list(model.buffers())


@pytest.mark.parametrize(("release", "share"), [("7B-D", 0.80), ("7B-O", 0.84)])
def test_quantised_share_of_the_weights(release: str, share: float) -> None:
    """The blocks' matrices are most of the weights; all else stays as it is."""
    quantised = total = 0
    for name, entry in TABLE[release]["tensors"].items():
        count = math.prod(entry["shape"]) * entry["count"]
        total += count
        if is_quantized(name.replace("{i}", "0")) and "blocks" in name:
            quantised += count
    assert quantised / total == pytest.approx(share, abs=0.01)
