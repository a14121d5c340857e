# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""All checks of a small network, and engines with faults, which must be found."""

import dataclasses
from collections import Counter
from typing import Any

import pytest
import torch

from molmoact_ros.decoding import Decoder, compiled, pass_set
from molmoact_ros.decoding.passes import FixedPass
from molmoact_ros.faults import DeviceLostError
from molmoact_ros.model.memory import Precision
from molmoact_ros.selfcheck import measure, run, subjects
from molmoact_ros.selfcheck.findings import Verdict
from molmoact_ros.selfcheck.run import SelfCheck
from molmoact_ros.selfcheck.subjects import RecordedDraft, random_subject

CPU = torch.device("cpu")
CHECKS = (
    "device", "bandwidth", "numbers", "loading", "kernels", "capture", "passes", "compiled",
    "rows", "drafts", "answers",
)  # fmt: skip
ONE_IS_ENOUGH = pytest.mark.parametrize("small_config", ["qwen_siglip"], indirect=True)


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, small_config: Any) -> Any:
    """Run all checks of random weights of a small network: name -> finding."""
    monkeypatch.setattr(measure, "_COPIED", {"cpu": 2**20})
    monkeypatch.setattr(subjects, "released_config", lambda name: small_config)
    monkeypatch.setattr(subjects, "_RANDOM_ANSWER", 40)
    monkeypatch.setattr(subjects, "_TEXT_TOKENS", 20)
    monkeypatch.setattr(run, "CONTEXT_LENGTH", 400)

    def checked(
        dtype: Any = torch.float32,
        quantization: Any = None,
        answers: Any = 2,
        compiled: bool = False,
        **changes: Any,
    ) -> Any:
        subject = random_subject("7b-d", CPU, Precision(dtype, quantization))
        subject = dataclasses.replace(subject, **changes)
        progress: list[str] = []
        steps = SelfCheck(subject, CPU, progress.append, answers, compiled)
        found = {each.name: each for each in steps.run()}
        assert progress
        return found

    return checked


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_sound_engine(check: Any, dtype: Any) -> None:
    found = check(dtype)
    assert tuple(found) == CHECKS
    verdicts = Counter(each.verdict for each in found.values())
    assert verdicts == {Verdict.OK: 8, Verdict.NOT_MEASURED: 3}, found
    assert found["drafts"].values["answers"] == 2 and found["drafts"].values["tokens"] == 80
    assert found["rows"].values["compared"] >= 1
    assert found["answers"].values["estimated"] is True
    assert set(found["passes"].values["seconds"]) == {"1", "8", "16", "32", "64"}


def _as_traced(graph: Any, inputs: Any) -> Any:
    return graph.forward


def _without_compiler(graph: Any, inputs: Any) -> Any:
    raise OSError("no compiler")


def _doubled(graph: Any, inputs: Any) -> Any:
    return lambda *arguments: [2.0 * result for result in graph.forward(*arguments)]


@ONE_IS_ENOUGH
@pytest.mark.parametrize(
    ("backend", "verdict", "text"),
    [
        (_as_traced, Verdict.OK, "ms compiled"),
        (_without_compiler, Verdict.NOT_MEASURED, "torch.compile failed (no compiler)"),
        (_doubled, Verdict.WRONG, "gives other logits than the pass itself"),
    ],
)
def test_compiled_passes(
    check: Any, monkeypatch: pytest.MonkeyPatch, backend: Any, verdict: Verdict, text: str
) -> None:
    torch.compiler.reset()

    def compile_block() -> Any:
        return torch.compile(compiled._compute, fullgraph=True, dynamic=False, backend=backend)

    monkeypatch.setattr(pass_set, "compiled_block", compile_block)
    found = check(compiled=True)["compiled"]
    assert found.verdict is verdict and text in found.text
    assert found.values["compiled"] == (backend is _as_traced)
    torch.compiler.reset()


@ONE_IS_ENOUGH
def test_rows_that_depend_on_their_slot(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class SlotDependent(FixedPass):
        def __call__(self, tokens: Any, depths: Any, visible: Any) -> Any:
            logits = super().__call__(tokens, depths, visible)
            logits[8:] = torch.nextafter(logits[8:], torch.tensor(float("inf")))
            return logits

    monkeypatch.setattr(pass_set, "FixedPass", SlotDependent)
    found = check()
    assert found["rows"].verdict is Verdict.WRONG and 63 in found["rows"].values["unequal"]


@ONE_IS_ENOUGH
def test_drafts_that_change_an_answer(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    generate = Decoder.generate

    def careless(self: Any, batch: Any, max_new_tokens: Any, draft: Any = None, **more: Any) -> Any:
        result = generate(self, batch, max_new_tokens, draft, **more)
        return result if draft is None else dataclasses.replace(result, ids=result.ids[:-1] + [0])

    monkeypatch.setattr(Decoder, "generate", careless)
    found = check()["drafts"]
    assert found.verdict is Verdict.WRONG and found.values["first_differences"] == [39, 39]


@ONE_IS_ENOUGH
def test_without_time_nothing_is_compared(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_ANSWER_SECONDS", (0.0, 0.0))
    found = check()
    assert found["drafts"].verdict is found["answers"].verdict is Verdict.NOT_MEASURED
    assert found["drafts"].text == "no answer was compared"


@ONE_IS_ENOUGH
def test_a_check_that_fails_is_wrong_and_the_next_goes_on(
    check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise RuntimeError("CUDA error: operation not supported\nand more")

    monkeypatch.setattr(measure, "operations", fail)
    found = check()
    assert found["kernels"].verdict is Verdict.WRONG
    assert "operation not supported" in found["kernels"].text
    assert found["drafts"].verdict is Verdict.OK


@ONE_IS_ENOUGH
def test_nothing_is_asked_of_a_lost_device(check: Any) -> None:
    def lose(progress: Any) -> None:
        raise DeviceLostError("cuda:0 has failed and every further call fails")

    found = check(load=lose)
    assert found["loading"].verdict is Verdict.WRONG and "has failed" in found["loading"].text
    later = [found[name] for name in ("kernels", "passes", "rows", "drafts")]
    assert all(each.verdict is Verdict.NOT_MEASURED for each in later)
    assert all(each.text == "not reached: cpu has failed" for each in later)


def test_a_recorded_draft_uses_every_way_to_take_tokens() -> None:
    draft = RecordedDraft(range(100, 200), 1000)
    draft.begin()
    draft.extend(range(100, 101))
    tree = draft.propose(63)
    assert tree.tokens == (*range(101, 110), 111, 110), "nine right ones, a wrong one, its rival"
    assert tree.parents == (*range(-1, 9), 8)
    draft.extend(range(101, 110))
    assert draft.propose(63).tokens == (111, 110)
    assert draft.propose(63, (110,)).tokens[0] == 111
    assert len(draft.propose(1)) == 1 and not draft.propose(0)
