# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Weights of fewer bits, by torchao, for graphics cards with little memory.

What is quantised: the four matrices of each block of the language model, which hold 80 to 85 % of
the weights of a 7B model. What is not: the token embeddings (rows are looked up, not multiplied),
all norms (tiny), the head (its small differences decide each token), and vision tower and adapter
(a twentieth of the weights, run once per answer, and sensitive).

Matrices are quantised one by one while a checkpoint is loaded, so that the device never holds the
whole network in 16 bits.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

QUANTIZATIONS = ("int8", "int4", "fp8")
_QUANTIZED = re.compile(
    r"model\.transformer\.blocks\.\d+\.(self_attn\.(att_proj|attn_out)|mlp\.(ff_proj|ff_out))\.weight"
)
# Values that share a scale in mode int4; the largest that divides a matrix's width is taken.
_INT4_GROUPS = (128, 64, 32)
_FP8_CAPABILITY = (8, 9)


def is_quantized(name: str) -> bool:
    """Return whether a quantisation mode changes the tensor `name`."""
    return _QUANTIZED.fullmatch(name) is not None


def make_quantizer(
    mode: str, device: torch.device, dtype: torch.dtype
) -> Callable[[nn.Linear], None]:
    """Return a function that quantises the weight of one layer in place.

    On a GPU the modes save memory. On the CPU they round the weights likewise, to measure what
    that does to the answers; int4 keeps a byte per value there.

    Args:
        mode: One of `QUANTIZATIONS`. int8: a scale per row. int4: a scale and a zero point per
            128 values (64 or 32 where the width asks for it). fp8: e4m3 weights with a scale per
            row; on a GPU the activations are rounded likewise and multiplied in fp8.
        device: Where the weights lie.
        dtype: Of the weights before.

    Raises:
        ValueError: The mode is unknown, or this device, number type or installation lacks it.
    """
    if mode not in QUANTIZATIONS:
        raise ValueError(f"quantization '{mode}' is not one of {', '.join(QUANTIZATIONS)}")
    try:
        from torchao.quantization import quantize_
    except ImportError as error:
        raise ValueError(
            f"quantization '{mode}' needs the package torchao: pip install torchao"
        ) from error
    on_gpu = device.type == "cuda"
    if mode == "int4" and on_gpu and dtype != torch.bfloat16:
        raise ValueError("quantization 'int4' needs dtype bfloat16 on a GPU")
    if mode == "fp8" and on_gpu and torch.cuda.get_device_capability(device) < _FP8_CAPABILITY:
        raise ValueError(
            f"quantization 'fp8' needs a GPU of compute capability 8.9 or more (Ada, Hopper);"
            f" {torch.cuda.get_device_name(device)} has less: use 'int8' or 'int4'"
        )

    @torch.no_grad()
    def quantize(linear: nn.Linear) -> None:
        quantize_(linear, _torchao_config(mode, on_gpu, linear.in_features))

    return quantize


def _torchao_config(mode: str, on_gpu: bool, width: int) -> Any:
    from torchao import quantization as ao

    # Inductor's settings are global; nothing here compiles, so they are left alone.
    if mode == "int8":
        return ao.Int8WeightOnlyConfig(set_inductor_config=False)
    if mode == "fp8":
        if on_gpu:
            return ao.Float8DynamicActivationFloat8WeightConfig(
                granularity=ao.PerRow(), set_inductor_config=False
            )
        return ao.Float8WeightOnlyConfig(set_inductor_config=False)
    group = next((size for size in _INT4_GROUPS if width % size == 0), None)
    if group is None:
        # torchao would leave such a matrix as it is without a word.
        raise ValueError(f"quantization 'int4' needs widths that are multiples of 32, not {width}")
    if on_gpu:
        return ao.Int4WeightOnlyConfig(
            group_size=group, int4_packing_format="tile_packed_to_4d", set_inductor_config=False
        )
    return ao.IntxWeightOnlyConfig(
        weight_dtype=torch.int4,  # type: ignore[attr-defined]
        granularity=ao.PerGroup(group),
        mapping_type=ao.MappingType.ASYMMETRIC,
    )
