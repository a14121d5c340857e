# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Checks of the passes on the machine where they run: what is promised, seen on it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from molmoact_ros.decoding.passes import BlockPass
from molmoact_ros.decoding.tree import block_layout

from .static_cache import StaticCache

# As shares of the largest logit: far more than rounding does, far less than a wrong pass does.
_TOLERANCES = {torch.float32: 1e-3}
_TOLERANCE = 0.05


@dataclass(frozen=True)
class PassReport:
    """What a decoder found out about its own passes.

    Attributes:
        captured: whether passes run as CUDA graphs.
        difference: largest difference between the logits of a captured or compiled and an ordinary
            pass, as a share of the largest logit; None where nothing was captured or compiled.
        unequal_slots: slots of the fixed block whose token had other logits than in a pass of its
            own; None where no equality is promised.
        compared_slots: how many slots were compared.
        seconds: that the checks took.
        warnings: what is not as it should be, for a person.
        compiled: whether the network's blocks are a compiled function.
        compile_seconds: that compiling took, all block sizes together, beside `seconds`.
    """

    captured: bool
    difference: float | None
    unequal_slots: tuple[int, ...] | None
    compared_slots: int
    seconds: float
    warnings: tuple[str, ...]
    compiled: bool = False
    compile_seconds: float = 0.0


def chain_tokens(size: int, vocab_size: int, seed: int) -> list[int]:
    """Arbitrary tokens, the same for a seed."""
    return np.random.default_rng(seed).integers(0, vocab_size, size).tolist()


def compare_passes(
    candidate: BlockPass, reference: BlockPass, size: int, vocab_size: int
) -> tuple[float, bool]:
    """Run two passes on the same blocks, twice, so that a pass that is stuck shows as well.

    Returns:
        Largest difference of logits as a share of the largest logit, and whether that is rounding.
    """
    depths, visible = block_layout(range(-1, size - 2), size)
    worst, close = 0.0, True
    for seed in range(2):
        tokens = chain_tokens(size, vocab_size, seed)
        found = candidate(tokens, depths, visible).cpu()
        expected = reference(tokens, depths, visible).cpu()
        share = (found - expected).abs().max() / expected.abs().max()
        difference = float(share.nan_to_num(nan=float("inf")))
        worst = max(worst, difference)
        close = close and difference <= _TOLERANCES.get(expected.dtype, _TOLERANCE)
    return worst, close


def compare_slots(
    block: BlockPass,
    cache: StaticCache,
    size: int,
    vocab_size: int,
    slots: Iterable[int],
    deadline: float,
) -> dict[int, bool]:
    """Find out in which of ``slots`` a token has the same logits in a drafted block as alone.

    This is what drafted decoding relies on to give the ids of plain decoding: a token that was
    checked in slot 17 of a block has, bit for bit, the logits of plain decoding, where it is in
    slot 0 and its predecessors in the cache.

    Args:
        block: the pass.
        cache: holds a prompt; its length is as before afterwards.
        size: slots of the block.
        vocab_size: tokens are below.
        slots: which to compare.
        deadline: of time.perf_counter; no further slot is compared after it.

    Returns:
        For each slot that was compared, one at least, whether all logits are equal.
    """
    tokens = chain_tokens(size, vocab_size, seed=2)
    # To the host each time: a pass reads its inputs while it runs, and the next one writes them.
    chained = block(tokens, *block_layout(range(-1, size - 2), size)).cpu()
    depths, visible = block_layout((), size)
    start, equal = cache.length, {}
    # From the last on: a pass overwrites what lies behind its own first slot.
    for slot in sorted(slots, reverse=True):
        cache.length = start + slot
        alone = block([tokens[slot]] + [0] * (size - 1), depths, visible)[0].cpu()
        equal[slot] = torch.equal(alone, chained[slot])
        if time.perf_counter() > deadline:
            break
    cache.length = start
    return equal
