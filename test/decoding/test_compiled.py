# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Passes with a compiled block: the same numbers, one function for all blocks, and a way out."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch

from molmoact_ros.decoding import Decoder, compiled, pass_set
from molmoact_ros.decoding.passes import FixedPass

BATCH = {"input_ids": torch.tensor([[5, 6, 7]])}
SIZES = (1, 8)


@pytest.fixture(autouse=True)
def fresh_compiler() -> Any:
    """Let no function that another test compiled be found."""
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Return a function that sets what turns the traced block into code, in place of Inductor."""

    def use(backend: Any) -> None:
        def compile_block() -> Any:
            return torch.compile(compiled._compute, fullgraph=True, dynamic=False, backend=backend)

        monkeypatch.setattr(pass_set, "compiled_block", compile_block)

    return use


def _traced(graphs: list[Any]) -> Callable[[Any, Any], Any]:
    def backend(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    return backend


@pytest.mark.parametrize("variant", ["qwen_siglip", "olmo_clip"])
@pytest.mark.parametrize("repeatable", [True, False])
def test_one_function_is_compiled_for_all_blocks_of_the_network(
    random_model: Any, compiler: Any, variant: str, repeatable: bool
) -> None:
    graphs: list[Any] = []
    compiler(_traced(graphs))
    model = random_model(3, variant)
    assert model.config.llm_config.num_hidden_layers > 1
    plain = Decoder(model, 64, block_sizes=SIZES, repeatable=repeatable)
    decoder = Decoder(model, 64, block_sizes=SIZES, repeatable=repeatable, compile=True)
    report = decoder.check()
    assert report.compiled and report.compile_seconds > 0.0 and report.warnings == ()
    assert report.difference == 0.0, "traced, not rewritten"
    assert len(graphs) == len(decoder.pass_costs), "one for each size"
    assert decoder.generate(BATCH, 30).ids == plain.generate(BATCH, 30).ids
    assert len(graphs) == len(decoder.pass_costs), "and none while answers are decoded"


def test_more_sizes_are_compiled_than_torch_does_by_default(
    random_model: Any, compiler: Any
) -> None:
    graphs: list[Any] = []
    compiler(_traced(graphs))
    assert Decoder(random_model(3), 64, block_sizes=range(1, 10), compile=True).check().compiled
    assert len(graphs) == 9 > torch._dynamo.config.cache_size_limit


def _broken(graph: Any, inputs: Any) -> Any:
    raise OSError("no C compiler was found\nand more lines")


def test_without_a_compiler_passes_run_uncompiled_and_a_warning_states_it(
    random_model: Any, compiler: Any, caplog: pytest.LogCaptureFixture
) -> None:
    compiler(_broken)
    model = random_model(2)
    expected = Decoder(model, 64, repeatable=True).generate(BATCH, 20).ids
    decoder = Decoder(model, 64, repeatable=True, compile=True)
    with caplog.at_level(logging.WARNING):
        report = decoder.check()
    assert not report.compiled and report.difference is None
    (warning,) = report.warnings
    assert "torch.compile failed (no C compiler was found):" in warning
    assert "run without torch.compile" in warning
    assert warning in caplog.text
    assert decoder.generate(BATCH, 20).ids == expected


def _wrong(graph: Any, inputs: Any) -> Any:
    return lambda *arguments: [2.0 * result for result in graph.forward(*arguments)]


def test_compiled_passes_with_other_logits_are_not_used(random_model: Any, compiler: Any) -> None:
    compiler(_wrong)
    model = random_model(2)
    expected = Decoder(model, 64, block_sizes=SIZES).generate(BATCH, 20).ids
    decoder = Decoder(model, 64, block_sizes=SIZES, compile=True)
    assert decoder.generate(BATCH, 20).ids != expected, "the fault is none"
    report = decoder.check()
    assert not report.compiled
    (warning,) = report.warnings
    assert "the compiled pass over 1 slots gives other logits than the pass itself" in warning
    assert decoder.generate(BATCH, 20).ids == expected


class _Captured(FixedPass):
    """Stands in for a captured pass; its graph is right."""

    def __init__(self, model: Any, cache: Any, size: Any, stream: Any, block: Any) -> None:
        super().__init__(model, cache, size, block)


def test_captured_passes_stay_captured_where_only_the_compiled_block_is_wrong(
    random_model: Any, compiler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler(_wrong)
    monkeypatch.setattr(pass_set, "GraphStream", lambda device: None)
    monkeypatch.setattr(pass_set, "GraphPass", _Captured)
    report = Decoder(random_model(2), 64, cuda_graphs=True, compile=True).check()
    assert report.captured and not report.compiled and report.difference == 0.0
    assert len(report.warnings) == 1


def test_memory_that_does_not_suffice_is_no_reason_to_go_on_uncompiled(
    random_model: Any, compiler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def backend(graph: Any, inputs: Any) -> Any:
        def run(*arguments: Any) -> Any:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

        return run

    compiler(backend)
    decoder = Decoder(random_model(2), 64, compile=True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10**6, 10**9))
    with pytest.raises(RuntimeError, match="20.00 MiB was asked for"):
        decoder.check()


@pytest.mark.long
@pytest.mark.parametrize("variant", ["qwen_siglip", "olmo_clip"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled_answers_are_those_of_the_network(
    random_model: Any, variant: str, dtype: torch.dtype
) -> None:
    model = random_model(5, variant).to(dtype)
    try:
        decoder = Decoder(model, 200, repeatable=True, compile=True)
        report = decoder.check(slots=64, seconds=60.0)
        assert report.compiled and report.warnings == (), "Inductor needs a C++ compiler"
        assert report.unequal_slots == () and report.compared_slots == 64
        assert report.difference is not None
        assert report.difference < (1e-5 if dtype == torch.float32 else 0.05)
        if dtype == torch.float32:
            plain = Decoder(model, 200, repeatable=True)
            for start in (5, 9, 17):
                batch = {"input_ids": torch.tensor([[start, 6, 7]])}
                assert decoder.generate(batch, 60).ids == plain.generate(batch, 60).ids
    finally:
        model.to(torch.float32)
