# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How many kernels a pass starts: on a GPU each costs a few microseconds, whatever it computes."""

import copy
import json
from typing import Any

import pytest
import torch
from golden_files import DATA
from torch.utils._python_dispatch import TorchDispatchMode

from molmoact_ros.decoding.passes import FixedPass
from molmoact_ros.decoding.static_cache import StaticCache
from molmoact_ros.decoding.tree import block_layout
from molmoact_ros.model import MolmoActConfig, MolmoActForActionReasoning

TABLE = json.loads((DATA / "tensors_7b.json").read_text())


class _Kernels(TorchDispatchMode):
    """Lists the operations that compute: neither views nor mere allocations.

    Attributes:
        names: of the operations, in their order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        returns = func._schema.returns
        view = any(r.alias_info is not None and not r.alias_info.is_write for r in returns)
        name = func._schema.name.removeprefix("aten::")
        if not view and not name.startswith(("empty", "_unsafe_view", "detach")):
            self.names.append(name)
        return func(*args, **(kwargs or {}))


def _fused(x: torch.Tensor, *others: Any, **settings: Any) -> torch.Tensor:
    """Stand in for attention and norm, each of which is one kernel on a GPU."""
    return torch.clone(x)


@torch.no_grad()
@pytest.mark.parametrize(("release", "most"), [("7B-D", 25), ("7B-O", 32)])
def test_a_block_of_the_network_starts_few_kernels(
    monkeypatch: pytest.MonkeyPatch, release: str, most: int
) -> None:
    for name in ("scaled_dot_product_attention", "rms_norm"):
        monkeypatch.setattr(torch.nn.functional, name, _fused)
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
        with _Kernels() as kernels:
            FixedPass(network, store, 64)([1] * 64, *block_layout(range(-1, 62), 64))
        counts.append(len(kernels.names))
    assert counts[1] - counts[0] <= most
    assert counts[0] - (counts[1] - counts[0]) <= 60, "beside the blocks"
