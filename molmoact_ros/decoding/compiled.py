# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The network's block as one compiled function, which starts fewer kernels than its modules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from molmoact_ros.model.kv_cache import LayerCache, SharedLayerCache
from molmoact_ros.model.llm import BlockFunction

_VERSIONS = 64  # of the function: one for each block size and shape of network of this process


def compiled_block() -> BlockFunction:
    """Return a block's computation that compiles itself when it is first called.

    One block instead of the whole network: compiling takes seconds instead of minutes, and little
    is lost, as only the sum behind one block and the norm before the next could be joined further.
    Without Inductor's own CUDA graphs: the pass is captured as a whole.
    """
    compiled: BlockFunction = torch.compile(_compute, fullgraph=True, dynamic=False)
    return compiled


def _compute(
    block: nn.Module,
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    cache: LayerCache | SharedLayerCache | None,
    mask: Tensor | None,
) -> Tensor:
    result: Tensor = block(x, cos, sin, cache, mask)
    return result


@contextmanager
def compiling() -> Iterator[None]:
    """Let more versions be compiled than torch's default of 8, beyond which it gives up."""
    import torch._dynamo

    # The name of old, which newer releases of torch know, too.
    with torch._dynamo.config.patch(cache_size_limit=_VERSIONS):
        yield
