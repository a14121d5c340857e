# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Block sizes: fixed, so that each can be a CUDA graph, and chosen by what a pass costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from molmoact_ros.model import MolmoActForActionReasoning

BLOCK_SIZES = (1, 8, 16, 32, 64)
_INT4_BLOCK_SIZES = (1, 8, 16)

# Relative cost of a pass while reading the weights dominates, as on a GPU at batch 1.
# Decoder.warm_up replaces these by measured times.
DEFAULT_COSTS: Mapping[int, float] = {1: 1.0, 8: 1.02, 16: 1.04, 32: 1.1, 64: 1.2}


def block_sizes_for(model: MolmoActForActionReasoning) -> tuple[int, ...]:
    """Block sizes that suit how the weights are stored.

    The int4 kernel for GPUs multiplies 16 rows at a time: by torchao's own table it takes 1.7 times
    as long for 32 rows as for 16, and 3.3 times as long for 64.
    """
    precision = model.precision if model.device.type == "cuda" else None
    is_int4 = precision is not None and precision.quantization == "int4"
    return _INT4_BLOCK_SIZES if is_int4 else BLOCK_SIZES


def choose_block(reach: Sequence[float], costs: Mapping[int, float]) -> int:
    """Block size that promises most tokens per second.

    Args:
        reach: probability of each drafted node to be confirmed; the root's token is certain.
        costs: time of a pass per block size, in any unit.

    Returns:
        The size; a block of n slots holds the root and the first n - 1 nodes.
    """
    best_size, best_rate = 0, -1.0
    for size, cost in sorted(costs.items()):
        rate = (1.0 + sum(reach[: size - 1])) / cost
        if rate > best_rate:
            best_size, best_rate = size, rate
        if size - 1 >= len(reach):
            break
    return best_size
