# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Exact greedy decoding that confirms drafted tokens, many per pass.

A pass over 64 tokens reads the same weights as a pass over one, and on every machine where reading
weights is the cost it takes nearly the same time. So each pass runs over the last token and a tree
of guesses of what follows, and keeps those guesses that the model's own argmax confirms. A wrong
guess costs time, never correctness: the ids are those of plain greedy decoding.

Tie rule: the smallest token id among equal largest logits, as torch.argmax has it.

Where a form of the answer is given, each slot along the confirmed path takes the best token that
the form allows behind that very path; where the argmax is allowed, nothing changes.

Passes of different shapes round differently, and so does attention to keys that lie in another
order in memory. A `repeatable` decoder therefore computes every token of every answer, drafted or
not, in a block of one size, and takes tokens only from slots whose keys lie in the order of their
positions: those of the tree's main path, which stands in front of the block. What a side branch
promises is provisional: it becomes the main path of the next pass, which confirms it like any other
guess. So the ids are those of plain decoding in any number type, provided that a row of a pass does
not depend on the other rows, which `check` looks at. Without `repeatable`, near ties can fall
differently in bf16 and quantised weights (see docs/performance.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from molmoact_ros.decoding.blocks import DEFAULT_COSTS, block_sizes_for, choose_block
from molmoact_ros.decoding.capture import computing_on
from molmoact_ros.decoding.check import PassReport
from molmoact_ros.decoding.drafts.grammar import State
from molmoact_ros.decoding.pass_set import PassSet
from molmoact_ros.decoding.prompt import Prompt, eos_ids
from molmoact_ros.decoding.running_answer import RunningAnswer, TokenDraft
from molmoact_ros.decoding.tree import block_layout
from molmoact_ros.faults import StoppedError
from molmoact_ros.model import MolmoActForActionReasoning
from molmoact_ros.model.device import device_faults

from .generation_result import GenerationResult
from .static_cache import StaticCache


class Decoder:
    """Generates answers with one model, one cache and one set of captured passes.

    Attributes:
        capacity: prompt and answer tokens that fit.
        repeatable: whether the ids do not depend on the draft in any number type.
        pass_costs: time of a pass per block size: relative defaults until `warm_up` measured them.
    """

    def __init__(
        self,
        model: MolmoActForActionReasoning,
        capacity: int,
        *,
        block_sizes: Sequence[int] | None = None,
        cuda_graphs: bool | None = None,
        repeatable: bool | None = None,
        compile: bool = False,
    ) -> None:
        """Allocate the cache.

        Args:
            model: the network, in eval mode, on the device where it stays.
            capacity: most tokens of prompt and answer together.
            block_sizes: slots of the passes that may run, 1 among them; None: what suits the
                weights.
            cuda_graphs: whether to capture the passes; None: on CUDA devices.
            repeatable: whether to decode so that drafts never change an id, whatever the number
                type; only the largest block runs then. None: on CUDA devices, where it costs
                little.
            compile: whether to compile the network's block (torch.compile) for passes, which takes
                a while once for each block size; the prefill is not compiled.

        Raises:
            DeviceMemoryError: the cache does not fit.
        """
        block_sizes = block_sizes or block_sizes_for(model)
        if 1 not in block_sizes:
            raise ValueError(f"block_sizes must contain 1, got {tuple(block_sizes)}")
        on_gpu = model.device.type == "cuda"
        self.capacity = capacity
        self.repeatable = on_gpu if repeatable is None else repeatable
        used = [max(block_sizes)] if self.repeatable else sorted(block_sizes)
        self.pass_costs = {size: DEFAULT_COSTS.get(size, 1.0) for size in used}
        self._model = model
        self._eos = eos_ids(model)
        self._vocab_size = model.config.llm_config.vocab_size
        with device_faults(model, model.device, capacity):
            # A padded block may reach beyond the last token.
            self._cache = StaticCache.for_model(model, capacity + max(used))
        self._passes = PassSet(
            model,
            self._cache,
            graphs=on_gpu if cuda_graphs is None else cuda_graphs,
            repeatable=self.repeatable,
            compiled=compile,
        )

    def close(self) -> None:
        """Give the memory of cache and captured passes back; nothing can be generated after."""
        del self._passes, self._cache

    @torch.no_grad()
    def check(self, slots: int = 3, seconds: float = 3.0) -> PassReport:
        """Compare passes with ordinary ones, and blocks with single tokens; see PassReport.

        A captured or compiled pass that is wrong is replaced. Takes four passes of each block size.

        Args:
            slots: how many slots of a block to compare with tokens alone, a pass each; 2 or more.
            seconds: after which no further slot is compared.
        """
        with self._device():
            return self._passes.check(list(self.pass_costs), slots, seconds)

    @torch.no_grad()
    def warm_up(
        self, repeats: int = 3, clock: Callable[[], float] = time.perf_counter
    ) -> dict[int, float]:
        """Capture and time the pass of every block size, so that the first answer is not slow.

        Args:
            repeats: passes of each size that are timed.
            clock: seconds; time.process_time where other work disturbs a CPU.

        Returns:
            Seconds of the fastest pass per block size, which also become `pass_costs`.
        """
        self._cache.length = max(0, self.capacity - max(self.pass_costs))
        with self._device():
            for size in self.pass_costs:
                depths, visible = block_layout((), size)
                times = []
                for _ in range(repeats + 1):
                    self._synchronize()
                    start = clock()
                    self._passes.of_size(size)([0] * size, depths, visible).argmax(-1).tolist()
                    times.append(clock() - start)
                self.pass_costs[size] = min(times[1:])
        self._cache.length = 0
        return dict(self.pass_costs)

    @torch.no_grad()
    def generate(
        self,
        batch: Mapping[str, Any],
        max_new_tokens: int = 512,
        draft: TokenDraft | None = None,
        probe_ids: Tensor | None = None,
        should_stop: Callable[[], bool] | None = None,
        form: State = (),
    ) -> GenerationResult:
        """Greedily continue one prompt.

        Args:
            batch: what MolmoActProcessor returns, batch 1 (left padding is dropped).
            max_new_tokens: most tokens to emit, EOS included.
            draft: guesses; None: one token per pass.
            probe_ids: int64 [P] token ids whose probabilities are recorded, see GenerationResult.
            should_stop: asked before every pass; when it returns true, the answer is given up.
            form: what the answer may be, `Grammar.begin()`: where the argmax leaves it, the token
                with the largest logit of those that it allows is taken; (): any answer.

        Raises:
            StoppedError: when `should_stop` returned true.
            ContextTooLongError: when prompt and `max_new_tokens` exceed the capacity.
            DeviceMemoryError: when the device's memory is too small.
            DeviceLostError: when the device failed for good.
            ValueError: when the batch does not hold exactly one prompt, or max_new_tokens < 1.
        """
        with self._device():
            return self._generate(batch, max_new_tokens, draft, probe_ids, should_stop, form)

    def _generate(
        self,
        batch: Mapping[str, Any],
        max_new_tokens: int,
        draft: TokenDraft | None,
        probe_ids: Tensor | None,
        should_stop: Callable[[], bool] | None,
        form: State,
    ) -> GenerationResult:
        prompt = Prompt(self._model, batch, max_new_tokens, self.capacity)
        answer = RunningAnswer(
            self._cache,
            max_new_tokens,
            eos=self._eos,
            vocab_size=self._vocab_size,
            repeatable=self.repeatable,
            draft=draft,
            probe_ids=None if probe_ids is None else probe_ids.to(self._model.device),
            form=form,
        )
        marks = [time.perf_counter()]
        embeds = prompt.embed()
        marks.append(self._time())
        answer.begin(prompt.prefill(embeds, self._cache))
        marks.append(self._time())
        while not answer.done:
            if should_stop is not None and should_stop():
                raise StoppedError(f"given up after {len(answer.progress.ids)} tokens")
            self._step(answer)
        marks.append(self._time())
        stages = ("vision", "prefill", "decode")
        return answer.result({s: marks[i + 1] - marks[i] for i, s in enumerate(stages)})

    def _step(self, answer: RunningAnswer) -> None:
        """One pass: guess, run, keep what the argmax confirms."""
        guesses = answer.propose(max(self.pass_costs) - 1)
        size = choose_block(answer.progress.provisional.reach + guesses.reach, self.pass_costs)
        logits = self._passes.of_size(size)(*answer.lay_out(guesses, size, size))
        # The pass's only wait for the device.
        answer.accept(logits.argmax(-1).tolist(), logits)

    @contextmanager
    def _device(self) -> Iterator[None]:
        device = self._model.device
        with device_faults(self._model, device, self.capacity), computing_on(device):
            yield

    def _synchronize(self) -> None:
        if self._model.device.type == "cuda":
            torch.cuda.synchronize(self._model.device)

    def _time(self) -> float:
        self._synchronize()
        return time.perf_counter()


def generate(
    model: MolmoActForActionReasoning,
    batch: Mapping[str, Any],
    max_new_tokens: int = 512,
    draft: TokenDraft | None = None,
    *,
    probe_ids: Tensor | None = None,
    repeatable: bool | None = None,
    form: State = (),
) -> GenerationResult:
    """Greedily continue one prompt with a decoder made for it; see Decoder.generate.

    Callers that generate more than once keep a Decoder, which allocates and captures only once.
    """
    capacity = torch.as_tensor(batch["input_ids"]).shape[-1] + max_new_tokens
    decoder = Decoder(model, capacity, cuda_graphs=False, repeatable=repeatable)
    return decoder.generate(batch, max_new_tokens, draft, probe_ids, form=form)
