# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How much memory a checkpoint needs, computed from the shapes of its tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from molmoact_ros.model import MolmoActConfig
from molmoact_ros.model.quantization import is_quantized

_GROUP = 128  # int4 values that share a scale and a zero point of 16 bits each
_INT4_WIDTH = 1024  # the int4 kernel for GPUs pads rows to a multiple of this
_BYTES_PER_VALUE = {
    "float32": 4.0,
    "bfloat16": 2.0,
    "int8": 1.0,
    "fp8": 1.0,
    "int4": 0.5 + 4 / _GROUP,
}
MODES = tuple(_BYTES_PER_VALUE)
WHOLE_MODES = ("float32", "bfloat16")  # modes that store everything alike


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes on the device.

    Attributes:
        weights: of the network.
        cache: of keys and values, for the given context.
    """

    weights: int
    cache: int


def memory_need(
    config: MolmoActConfig,
    shapes: Mapping[str, tuple[int, ...]],
    mode: str,
    context_length: int = 2048,
) -> MemoryNeed:
    """Bytes of weights and of the cache in one mode of `MODES`.

    Args:
        config: of the checkpoint.
        shapes: all tensors by name.
        mode: number type of the quantised matrices; the rest is float32 in mode "float32", else
            bfloat16.
        context_length: tokens of prompt and answer together.
    """
    plain = 4.0 if mode == "float32" else 2.0
    total = 0.0
    for name, shape in shapes.items():
        quantized = is_quantized(name)
        if quantized and mode == "int4":
            shape = (shape[0], -(-shape[1] // _INT4_WIDTH) * _INT4_WIDTH)
        total += math.prod(shape) * (_BYTES_PER_VALUE[mode] if quantized else plain)
        if quantized and mode in ("int8", "fp8"):
            total += shape[0] * plain  # one scale a row
    llm = config.llm_config
    values = 2 * llm.num_hidden_layers * llm.num_key_value_heads * llm.head_dim * context_length
    return MemoryNeed(round(total), round(values * plain))
