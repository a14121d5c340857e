# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The passes of one decoder: captured, compiled, and checked against ordinary ones."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import torch

from molmoact_ros.decoding.capture import GraphStream
from molmoact_ros.decoding.check import PassReport, chain_tokens, compare_passes, compare_slots
from molmoact_ros.decoding.compiled import compiled_block, compiling
from molmoact_ros.decoding.passes import BlockPass, EagerPass, FixedPass, GraphPass
from molmoact_ros.decoding.tree import block_layout
from molmoact_ros.model import MolmoActForActionReasoning
from molmoact_ros.model.llm import Block, BlockFunction

from .static_cache import StaticCache

_PROMPT = 64  # tokens in the cache while passes are checked
_log = logging.getLogger(__name__)


class PassSet:
    """One pass for each block size, made when it is asked for.

    Attributes:
        warnings: why passes are not what they should be; empty mostly.
    """

    def __init__(
        self,
        model: MolmoActForActionReasoning,
        cache: StaticCache,
        *,
        graphs: bool,
        repeatable: bool,
        compiled: bool = False,
    ) -> None:
        """Prepare.

        Args:
            model: the network.
            cache: where all passes read and write.
            graphs: whether to capture the passes.
            repeatable: whether every pass must attend to the whole cache, so that all have the
                same shapes.
            compiled: whether to compile the network's block.
        """
        self.warnings: tuple[str, ...] = ()
        self._model, self._cache = model, cache
        self._graphs, self._repeatable = graphs, repeatable
        self._stream: GraphStream | None = None
        self._passes: dict[int, BlockPass] = {}
        self._block: BlockFunction | None = compiled_block() if compiled else None
        self._compile_seconds = 0.0

    def of_size(self, size: int) -> BlockPass:
        """Return the pass over blocks of ``size`` slots."""
        if size not in self._passes:
            self._compile(size)
            self._passes[size] = self._captured(size) or self._not_captured(size)
        return self._passes[size]

    def check(self, sizes: Sequence[int], slots: int, seconds: float) -> PassReport:
        """Compare passes with ordinary ones, and slots of a block with tokens alone.

        Captured or compiled passes are left for good where one differs. Takes four passes of each
        size and one for each slot, and compiling before; the cache is empty afterwards.

        Args:
            sizes: of the blocks.
            slots: how many slots of the largest block to compare, 2 or more, evenly spread.
            seconds: after which no further slot is compared.
        """
        if not self._graphs and not self._repeatable and self._block is None:
            return PassReport(False, None, None, 0, 0.0, self.warnings)
        self._cache.length = 0
        if self._block is not None:
            for size in sizes:  # before the time runs
                self.of_size(size)
        started = time.perf_counter()
        vocab_size = self._model.config.llm_config.vocab_size
        prompt = chain_tokens(min(_PROMPT, self._cache.capacity - max(sizes)), vocab_size, 3)
        device = self._model.device
        self._model.run(
            self._model.embed(torch.tensor([prompt], device=device)),
            torch.arange(len(prompt), device=device)[None],
            self._cache.sliced(len(prompt)),
        )
        self._cache.length = len(prompt)
        difference = self._compare(sizes, vocab_size)
        unequal, equal = None, {}
        if self._repeatable:
            size = max(sizes)
            last = min(size, self._cache.capacity - len(prompt) - size + 1) - 1
            equal = compare_slots(
                self.of_size(size),
                self._cache,
                size,
                vocab_size,
                {last * part // (slots - 1) for part in range(slots)},
                started + seconds,
            )
            unequal = tuple(slot for slot in sorted(equal) if not equal[slot])
            if unequal:
                self._warn(
                    f"a token's logits depend on its slot on {device} (slots "
                    f"{', '.join(map(str, unequal))} of {size}): where two tokens are nearly "
                    "equally likely, drafted answers may differ from plain ones"
                )
        self._cache.length = 0
        taken = time.perf_counter() - started
        return PassReport(
            self._graphs,
            difference,
            unequal,
            len(equal),
            taken,
            self.warnings,
            compiled=self._block is not None,
            compile_seconds=self._compile_seconds,
        )

    def _compare(self, sizes: Sequence[int], vocab_size: int) -> float | None:
        """Return the largest difference of what is captured or compiled; leave what is wrong."""
        worst: float | None = None
        for size in sizes:
            candidate = self.of_size(size)
            if not self._graphs and self._block is None:
                break
            difference, close = compare_passes(candidate, self._ordinary(size), size, vocab_size)
            worst = difference if worst is None else max(worst, difference)
            if not close and self._block is not None:
                # Perhaps the graph is wrong instead; that shows without compiling.
                self._stop_compiling(
                    f"the compiled pass over {size} slots gives other logits than the pass itself "
                    f"(by {difference:.2g} of the largest)"
                )
                return self._compare(sizes, vocab_size)
            if not close:
                self._stop_capturing(
                    f"the CUDA graph of the pass over {size} slots gives other logits than the "
                    f"pass itself (by {difference:.2g} of the largest)"
                )
                break
        return worst

    def _compile(self, size: int) -> None:
        """Compile the block for passes of this size, with a pass whose result nobody reads."""
        if self._block is None:
            return
        started = time.perf_counter()
        try:
            with compiling():
                self._not_captured(size)([0] * size, *block_layout((), size))
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # compilers fail in many ways, and none is a reason to end
            cause = getattr(error, "inner_exception", error)  # of torch's own wrapper
            self._stop_compiling(f"torch.compile failed ({_first_line(cause)})")
            return
        seconds = time.perf_counter() - started
        self._compile_seconds += seconds
        _log.info("compiled the pass over %d slots in %.1f s", size, seconds)

    def _captured(self, size: int) -> BlockPass | None:
        if not self._graphs:
            return None
        try:
            if self._stream is None:
                self._stream = GraphStream(self._model.device)
            block = self._block or Block.__call__
            return GraphPass(self._model, self._cache, size, self._stream, block)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = f"CUDA did not capture the pass over {size} slots ({_first_line(error)})"
            self._stop_capturing(reason)
        return None

    def _stop_capturing(self, reason: str) -> None:
        self._graphs = False
        self._passes.clear()
        self._warn(f"{reason}: passes run without CUDA graphs, which is slower")

    def _stop_compiling(self, reason: str) -> None:
        self._block = None
        self._passes.clear()
        self._warn(f"{reason}: passes run without torch.compile, which is slower")

    def _not_captured(self, size: int) -> BlockPass:
        if self._block is not None:
            return FixedPass(self._model, self._cache, size, self._block)
        return self._ordinary(size)

    def _ordinary(self, size: int) -> BlockPass:
        if self._graphs or self._repeatable or self._block is not None:
            return FixedPass(self._model, self._cache, size)
        return EagerPass(self._model, self._cache)

    def _warn(self, warning: str) -> None:
        self.warnings = (*self.warnings, warning)
        _log.warning(warning)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
