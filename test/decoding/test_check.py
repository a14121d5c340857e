# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The decoder's check of its own passes, with passes that are wrong on purpose."""

import logging
import time
from typing import Any

import pytest
import torch

from molmoact_ros.decoding import Decoder, pass_set
from molmoact_ros.decoding.passes import EagerPass, FixedPass

BATCH = {"input_ids": torch.tensor([[5, 6, 7]])}


class _Captured(FixedPass):
    """Stands in for a captured pass where there is no CUDA; counts what it was asked."""

    asked = 0

    def __init__(self, model: Any, cache: Any, size: Any, stream: Any, *block: Any) -> None:
        super().__init__(model, cache, size, *block)

    def __call__(self, tokens: Any, depths: Any, visible: Any) -> Any:
        _Captured.asked += 1
        return super().__call__(tokens, depths, visible)


class _Stale(_Captured):
    """A graph that did not capture the inputs: it repeats its first result."""

    first = None

    def __call__(self, tokens: Any, depths: Any, visible: Any) -> Any:
        if self.first is None:
            self.first = super().__call__(tokens, depths, visible)
        return self.first


class _Broken(_Captured):
    """Computes no numbers."""

    def __call__(self, tokens: Any, depths: Any, visible: Any) -> Any:
        return super().__call__(tokens, depths, visible) * float("nan")


class _Refused(_Captured):
    """Can not be captured."""

    def __init__(self, *arguments: Any) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nand more lines")


class _SlotDependent(FixedPass):
    """From slot 8 on a row's result depends on where it is, in the last bit."""

    def __call__(self, tokens: Any, depths: Any, visible: Any) -> Any:
        logits = super().__call__(tokens, depths, visible)
        logits[8:] = torch.nextafter(logits[8:], torch.tensor(float("inf")))
        return logits


@pytest.fixture
def capturing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes decoders that believe to capture, by passes of a given class."""

    def make(model: Any, kind: Any, **settings: Any) -> Any:
        _Captured.asked = 0
        monkeypatch.setattr(pass_set, "GraphStream", lambda device: None)
        monkeypatch.setattr(pass_set, "GraphPass", kind)
        return Decoder(model, 64, cuda_graphs=True, **settings)

    return make


@pytest.mark.parametrize("repeatable", [True, False])
def test_good_passes_are_kept(random_model: Any, capturing: Any, repeatable: bool) -> None:
    decoder = capturing(random_model(2), _Captured, repeatable=repeatable)
    begin = time.perf_counter()
    report = decoder.check()
    took = time.perf_counter() - begin
    assert report.captured and report.warnings == ()
    assert report.difference == 0.0
    assert report.unequal_slots == (() if repeatable else None)
    assert 0.0 < report.seconds <= took
    before = _Captured.asked
    assert decoder.generate(BATCH, 20).ids
    assert _Captured.asked > before


@pytest.mark.parametrize("kind", [_Stale, _Broken])
@pytest.mark.parametrize("repeatable", [True, False])
def test_a_captured_pass_that_is_wrong_is_not_used(
    random_model: Any, capturing: Any, kind: Any, repeatable: bool, caplog: pytest.LogCaptureFixture
) -> None:
    model = random_model(2)
    expected = Decoder(model, 64, repeatable=repeatable).generate(BATCH, 20).ids
    decoder = capturing(model, kind, repeatable=repeatable)
    assert decoder.generate(BATCH, 20).ids != expected, "the fault is none"
    with caplog.at_level(logging.WARNING):
        report = decoder.check()
    assert not report.captured
    (warning,) = report.warnings
    assert "gives other logits than the pass itself" in warning
    assert "without CUDA graphs" in warning and warning in caplog.text
    asked = _Captured.asked
    assert decoder.generate(BATCH, 20).ids == expected
    assert _Captured.asked == asked


def test_what_cannot_be_captured_runs_without(random_model: Any, capturing: Any) -> None:
    model = random_model(2)
    expected = Decoder(model, 64).generate(BATCH, 20).ids
    decoder = capturing(model, _Refused)
    assert decoder.generate(BATCH, 20).ids == expected
    report = decoder.check()
    assert not report.captured and report.difference is None
    (warning,) = report.warnings
    assert "stream is capturing)" in warning and "more lines" not in warning
    assert "without CUDA graphs" in warning


def test_memory_that_does_not_suffice_is_no_reason_to_go_on_without(
    random_model: Any, capturing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    decoder = capturing(random_model(2), refuse)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10**6, 10**9))
    with pytest.raises(RuntimeError, match="20.00 MiB was asked for"):
        decoder.check()


def test_rows_that_depend_on_their_slot_are_named(
    random_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pass_set, "FixedPass", _SlotDependent)
    report = Decoder(random_model(2), 200, repeatable=True).check()
    assert report.unequal_slots == (31, 63) and report.compared_slots == 3
    (warning,) = report.warnings
    assert "slots 31, 63 of 64" in warning and "may differ from plain ones" in warning


def test_every_slot_or_as_many_as_there_is_time_for(random_model: Any) -> None:
    decoder = Decoder(random_model(2), 200, repeatable=True)
    assert decoder.check(slots=64, seconds=60.0).compared_slots == 64
    report = decoder.check(slots=64, seconds=0.0)
    assert report.compared_slots == 1 and report.unequal_slots == ()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_this_machine_s_rows_do_not_depend_on_their_slot(random_model: Any, dtype: Any) -> None:
    model = random_model(3).to(dtype)
    try:
        assert Decoder(model, 200, repeatable=True).check().unequal_slots == ()
    finally:
        model.to(torch.float32)


def test_the_check_leaves_no_trace_and_has_nothing_to_do_on_a_cpu(random_model: Any) -> None:
    model = random_model(3)
    for repeatable in (True, False):
        decoder = Decoder(model, 64, repeatable=repeatable)
        before = decoder.generate(BATCH, 20).ids
        report = decoder.check()
        assert (report.unequal_slots is None) == (not repeatable)
        assert decoder.generate(BATCH, 20).ids == before


def test_ordinary_passes_on_a_cpu_read_the_filled_part_of_the_cache_alone(
    random_model: Any,
) -> None:
    decoder = Decoder(random_model(3), 64)
    assert isinstance(decoder._passes.of_size(8), EagerPass)
