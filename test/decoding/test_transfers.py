# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What goes from host to device and back while an answer is decoded: each transfer is a wait."""

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from molmoact_ros.decoding import Decoder, TokenTree, pass_set
from molmoact_ros.decoding.passes import FixedPass


class _Transfers(TorchDispatchMode):
    """Counts tensors made of numbers of the host, and numbers asked for one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.made = self.asked = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name
        self.made += name == "aten::lift_fresh"
        self.asked += name in ("aten::_local_scalar_dense", "aten::nonzero")
        return func(*args, **(kwargs or {}))


class _Branches:
    """Proposes the answer on a side branch, so that what is kept does not lie in order."""

    def __init__(self, answer: list[int]) -> None:
        self._answer = answer
        self._known = 0

    def begin(self) -> None:
        self._known = 0

    def extend(self, tokens: Any) -> None:
        self._known += len(tokens)

    def propose(self, limit: Any, provisional: Any = ()) -> TokenTree:
        right = self._answer[self._known + len(provisional) :][:5]
        if not right:
            return TokenTree()
        tokens = ((right[0] + 1) % 48, *right)
        parents = (-1, -1, *range(1, len(right)))
        return TokenTree(tokens, parents, ("",) * len(tokens), (0.9,) * len(tokens))


@pytest.mark.parametrize("repeatable", [True, False])
def test_a_pass_sends_its_block_once_and_waits_once(
    random_model: Any, monkeypatch: pytest.MonkeyPatch, repeatable: bool
) -> None:
    class Captured(FixedPass):
        def __init__(self, model: Any, cache: Any, size: Any, stream: Any, *compute: Any) -> None:
            super().__init__(model, cache, size)

    monkeypatch.setattr(pass_set, "GraphStream", lambda device: None)
    monkeypatch.setattr(pass_set, "GraphPass", Captured)
    decoder = Decoder(random_model(2), 64, cuda_graphs=True, repeatable=repeatable)
    monkeypatch.setattr(decoder, "_eos", frozenset())
    batch, probes = {"input_ids": torch.tensor([[5, 6, 7]])}, torch.arange(8)
    answer = decoder.generate(batch, 30).ids
    counts = []
    for tokens in (11, 30):  # what happens once is in both
        with _Transfers() as transfers:
            result = decoder.generate(batch, tokens, _Branches(answer), probes)
        assert result.ids == answer[:tokens] and result.forward_passes < len(result.ids)
        counts.append((transfers.made, transfers.asked, result.forward_passes))
    made, asked, passes = (many - few for few, many in zip(*counts, strict=True))
    assert passes > 1 and asked == 0
    assert made == 2 * passes, "tokens with their depths, and who sees whom"
