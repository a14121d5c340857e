# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Quantised weights: which, how far the answers move, and clear refusals."""

import sys
from typing import Any

import numpy as np
import pytest
import torch

from molmoact_ros.model import QUANTIZATIONS, MolmoActForActionReasoning
from molmoact_ros.model.quantization import is_quantized, make_quantizer


def _load(golden: Any, mode: Any, variant: Any = "qwen_siglip", dtype: Any = torch.float32) -> Any:
    return MolmoActForActionReasoning.from_pretrained(
        golden / variant, quantization=mode, dtype=dtype
    )


@pytest.fixture
def inputs(golden: Any) -> Any:
    with np.load(golden / "qwen_siglip" / "cases" / "two_mid_256.npz") as file:
        return {key[3:]: torch.from_numpy(file[key]) for key in file if key.startswith("in.")}


@torch.no_grad()
@pytest.mark.parametrize(("mode", "agreement"), [("int8", 0.97), ("fp8", 0.85)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_answers_stay_near(
    golden: Any, models: Any, inputs: Any, mode: str, agreement: float, dtype: Any
) -> None:
    """A random network has small margins, so this is harder than a trained one."""
    pytest.importorskip("torchao")
    exact = models["qwen_siglip"](**inputs).logits
    logits = _load(golden, mode, dtype=dtype)(**inputs).logits
    assert not torch.equal(logits, exact)
    assert (logits.argmax(-1) == exact.argmax(-1)).float().mean() >= agreement - 0.05


@torch.no_grad()
def test_only_the_blocks_matrices_change(golden: Any, models: Any) -> None:
    pytest.importorskip("torchao")
    exact = models["qwen_siglip"].state_dict()
    changed = set()
    for name, tensor in _load(golden, "int8").state_dict().items():
        if type(tensor) is not type(exact[name]):
            changed.add(name)
        else:
            assert torch.equal(tensor, exact[name]), name
    assert changed == {name for name in exact if is_quantized(name)}
    assert len(changed) == 4 * 3


@torch.no_grad()
@pytest.mark.parametrize(("width", "group"), [(256, 128), (192, 64), (160, 32)])
def test_int4_takes_the_largest_group_that_fits(width: int, group: int) -> None:
    pytest.importorskip("torchao")
    torch.manual_seed(0)
    linear = torch.nn.Linear(width, 64)
    before = linear.weight.clone()
    make_quantizer("int4", torch.device("cpu"), torch.float32)(linear)
    weight: Any = linear.weight  # a tensor of torchao
    assert tuple(weight.block_size) == (1, group)
    error = (weight.dequantize() - before).norm() / before.norm()
    assert 0.03 < error < 0.09


def test_int4_refuses_widths_that_torchao_would_skip(golden: Any) -> None:
    pytest.importorskip("torchao")
    with pytest.raises(ValueError, match="multiples of 32, not 112"):
        _load(golden, "int4")


def test_unknown_mode_and_missing_package(golden: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=f"'int3' is not one of {', '.join(QUANTIZATIONS)}"):
        _load(golden, "int3")
    monkeypatch.setitem(sys.modules, "torchao.quantization", None)
    with pytest.raises(ValueError, match="pip install torchao"):
        _load(golden, "int8")
