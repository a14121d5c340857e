# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs all checks of one network on one device, each within a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any

import torch

from molmoact_ros.decoding import Decoder, GenerationResult, StoppedError, TokenDraft
from molmoact_ros.decoding.capture import computing_on
from molmoact_ros.decoding.compiled import compiled_block
from molmoact_ros.faults import DeviceLostError
from molmoact_ros.model import MolmoActForActionReasoning
from molmoact_ros.model.memory import return_memory
from molmoact_ros.small_files import one_line

from . import measure
from .findings import (
    Comparison,
    Finding,
    Verdict,
    answers_finding,
    capture_finding,
    compiled_finding,
    drafts_finding,
    numbers_finding,
    passes_finding,
    rows_finding,
)
from .subjects import CONTEXT_LENGTH, Subject

# Seconds for answers and for slots, on a GPU and on a CPU. With all else that is less than
# five minutes for 7B, and half a minute for a shipped checkpoint.
_ANSWER_SECONDS = (150.0, 18.0)
_SLOT_SECONDS = (20.0, 2.0)
_REPEATS = 3
_COMPARED_SLOTS = 5  # of compiled passes

Step = Callable[[], Sequence[Finding]]


class SelfCheck:
    """The checks of one subject on one device."""

    def __init__(
        self,
        subject: Subject,
        device: torch.device,
        progress: Callable[[str], None],
        answers: int,
        compiled: bool = False,
    ) -> None:
        """Prepare.

        Args:
            subject: What is checked.
            device: Where.
            progress: Called with what happens now, for a person.
            answers: How many to decode twice.
            compiled: Whether to measure compiled passes too, which are compiled first.
        """
        self._subject, self._device, self._progress = subject, device, progress
        self._answers, self._compiled = answers, compiled
        self._limit = 0 if device.type == "cuda" else 1
        self._model: MolmoActForActionReasoning | None = None
        self._bandwidth: float | None = None

    def run(self) -> Iterator[Finding]:
        """Yield a finding after the other; what fails is WRONG, and the next check goes on."""
        steps: dict[str, tuple[str, Step]] = {
            "device": ("looking at the device", self._look),
            "bandwidth": ("copying memory", self._copy),
            "numbers": ("computing on the device and on the CPU", self._compute),
            "loading": ("loading the weights", self._load),
            "kernels": ("counting kernels", self._count),
            "passes": ("timing passes", self._time),
            "compiled": ("compiling the network", self._compile),
            "rows": ("comparing the slots of a block", self._compare_slots),
            "drafts": ("decoding with and without drafts", self._decode),
        }
        broken = ""
        for name, (doing, step) in steps.items():
            if broken:
                yield Finding(name, Verdict.NOT_MEASURED, broken)
                continue
            self._progress(doing)
            try:
                with torch.no_grad(), computing_on(self._device):
                    found = step()
                if self._device.type == "cuda":
                    return_memory()  # so that no check counts what another has left
                yield from found
            except (RuntimeError, ValueError, MemoryError) as error:
                yield Finding(name, Verdict.WRONG, one_line(error))
                if isinstance(error, DeviceLostError):
                    broken = f"not reached: {self._device} has failed"
                elif name == "loading":
                    broken = "not reached: there are no weights"

    @property
    def _network(self) -> MolmoActForActionReasoning:
        """The network; checks that need it come after loading."""
        assert self._model is not None
        return self._model

    def _look(self) -> list[Finding]:
        values = measure.device_values(self._device)
        text = values.get("gpu") or f"{values['cpu']}, {values['cpu_threads']} threads"
        if "gpu" in values:
            free, total = values["free_bytes"] / 1e9, values["total_bytes"] / 1e9
            text += (
                f", driver {values['driver'] or 'not known'}, CUDA {values['cuda']}, "
                f"{free:.1f} of {total:.1f} GB free"
            )
        return [Finding("device", Verdict.OK, f"{text}, torch {values['torch']}", values)]

    def _copy(self) -> list[Finding]:
        self._bandwidth = measure.copy_bandwidth(self._device)
        text = f"a copy on the device reads and writes {self._bandwidth / 1e9:.3g} GB/s"
        values = {"bytes_per_second": self._bandwidth}
        return [Finding("bandwidth", Verdict.OK, text, values)]

    def _compute(self) -> list[Finding]:
        if self._device.type == "cpu":
            return [Finding("numbers", Verdict.NOT_MEASURED, "this is the CPU itself")]
        dtype = self._subject.precision.dtype
        found = measure.difference_from_cpu(self._subject.config, dtype, self._device)
        return [numbers_finding(*found, str(dtype).removeprefix("torch."))]

    def _load(self) -> list[Finding]:
        measure.start_peak(self._device)
        start = time.perf_counter()
        self._model = self._subject.load(
            lambda progress: self._progress(f"loading the weights: {progress}")
        )
        seconds = time.perf_counter() - start
        values = {
            "seconds": seconds,
            "weights_bytes": measure.stored_bytes(self._model),
            "peak_bytes": measure.peak_bytes(self._device),
        }
        text = (
            f"{values['weights_bytes'] / 1e9:.3g} GB of weights in {seconds:.1f} s, "
            f"at most {values['peak_bytes'] / 1e9:.3g} GB of memory"
        )
        return [Finding("loading", Verdict.OK, text, values)]

    def _count(self) -> list[Finding]:
        block = measure.make_block(self._network, measure.BLOCK, CONTEXT_LENGTH)
        names = measure.operations(block)
        attention = measure.attention_of(names)
        values = {"attention": attention, "operations": len(names), "gpu_kernels": None}
        text = f"attention by {', '.join(attention)}; {len(names)} operations of torch per pass"
        if self._device.type == "cuda":
            values["gpu_kernels"] = measure.gpu_kernels(block)
            text += f", {values['gpu_kernels'] or 'unknown'} kernels and copies on the GPU"
        return [Finding("kernels", Verdict.OK, text, values)]

    def _time(self) -> list[Finding]:
        with closing(Decoder(self._network, CONTEXT_LENGTH, repeatable=False)) as decoder:
            report = decoder.check()
            seconds = decoder.warm_up(_REPEATS)
        weights = measure.bytes_per_pass(self._network)
        return [
            capture_finding(report),
            passes_finding(seconds, weights, self._bandwidth),
        ]

    def _compile(self) -> list[Finding]:
        """Measure passes of the largest block, compiled and not."""
        if not self._compiled:
            text = "passes of the policy node are compiled where its parameter compile is set"
            return [Finding("compiled", Verdict.NOT_MEASURED, text)]
        network = self._network
        with closing(Decoder(network, CONTEXT_LENGTH, repeatable=True)) as decoder:
            (seconds,) = decoder.warm_up(_REPEATS).values()
        with closing(Decoder(network, CONTEXT_LENGTH, repeatable=True, compile=True)) as decoder:
            report = decoder.check(_COMPARED_SLOTS)
            (compiled_seconds,) = decoder.warm_up(_REPEATS).values()
        kernels = None
        if self._device.type == "cuda" and report.compiled:
            block = measure.make_block(network, measure.BLOCK, CONTEXT_LENGTH, compiled_block())
            kernels = measure.gpu_kernels(block)
        return [compiled_finding(report, seconds, compiled_seconds, kernels)]

    def _compare_slots(self) -> list[Finding]:
        with closing(Decoder(self._network, CONTEXT_LENGTH, repeatable=True)) as decoder:
            size = max(decoder.pass_costs)
            return [rows_finding(decoder.check(size, _SLOT_SECONDS[self._limit]), size)]

    def _decode(self) -> list[Finding]:
        measure.start_peak(self._device)
        subject = self._subject
        draft_for = subject.make_drafts()
        comparisons: list[Comparison] = []
        with closing(Decoder(self._network, CONTEXT_LENGTH, repeatable=True)) as decoder:
            decoder.warm_up(1)
            end = time.perf_counter() + _ANSWER_SECONDS[self._limit]

            def decode(batch: Mapping[str, Any], draft: TokenDraft | None) -> GenerationResult:
                return decoder.generate(
                    batch,
                    subject.max_new_tokens,
                    draft,
                    should_stop=lambda: time.perf_counter() > end,
                )

            with suppress(StoppedError):
                for number in range(self._answers):
                    self._progress(f"decoding with and without drafts: {number} of {self._answers}")
                    batch = subject.prompts(number)
                    plain = decode(batch, None)
                    comparisons.append(Comparison(plain, decode(batch, draft_for(plain.ids))))
        peak = measure.peak_bytes(self._device)
        return [drafts_finding(comparisons, self._answers), answers_finding(comparisons, peak)]
