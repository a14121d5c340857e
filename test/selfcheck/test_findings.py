# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From figures to verdicts."""

from __future__ import annotations

import math
from typing import Any

import pytest

from molmoact_ros.decoding import GenerationResult, PassReport
from molmoact_ros.selfcheck import findings
from molmoact_ros.selfcheck.findings import CHUNK_PASSES, CHUNK_TOKENS, Comparison, Verdict


def _report(
    difference: Any = None, unequal: Any = None, compared: Any = 0, warnings: Any = ()
) -> Any:
    return PassReport(difference is not None, difference, unequal, compared, 0.1, warnings)


def _result(ids: Any, passes: Any, decode: Any, ended: Any = True) -> Any:
    seconds = {"vision": 0.5, "prefill": 0.25, "decode": decode}
    return GenerationResult(ids, ended, passes, seconds=seconds)


def test_numbers_beyond_rounding_are_wrong_and_fit_into_json() -> None:
    assert findings.numbers_finding(0.01, True, "bfloat16").verdict is Verdict.OK
    found = findings.numbers_finding(math.inf, False, "bfloat16")
    assert found.verdict is Verdict.WRONG and found.values["difference"] is None


def test_a_captured_pass_that_differs_is_wrong() -> None:
    assert findings.capture_finding(_report(0.001)).verdict is Verdict.OK
    found = findings.capture_finding(_report(warnings=("the CUDA graph gives other logits",)))
    assert found.verdict is Verdict.WRONG and "other logits" in found.text
    assert findings.capture_finding(_report()).verdict is Verdict.NOT_MEASURED


def test_a_slot_that_matters_is_wrong() -> None:
    assert findings.rows_finding(_report(unequal=(), compared=64), 64).verdict is Verdict.OK
    found = findings.rows_finding(_report(unequal=(31, 63), compared=64), 64)
    assert found.verdict is Verdict.WRONG and "slots 31, 63 of 64" in found.text
    assert found.values["unequal"] == [31, 63]
    assert findings.rows_finding(_report(), 64).verdict is Verdict.NOT_MEASURED


@pytest.mark.parametrize(
    ("drafted", "position"), [([1, 2, 3], None), ([1, 5, 3], 1), ([1, 2], 2), ([1, 2, 3, 4], 3)]
)
def test_an_answer_that_differs_is_wrong(drafted: Any, position: int | None) -> None:
    pairs = [
        Comparison(_result([7, 8], 1, 1.0), _result([7, 8], 1, 1.0)),
        Comparison(_result([1, 2, 3], 2, 1.0), _result(drafted, 1, 1.0)),
    ]
    found = findings.drafts_finding(pairs, 20)
    assert found.verdict is (Verdict.OK if position is None else Verdict.WRONG)
    assert found.values["first_differences"] == ([] if position is None else [position])
    assert "no time for the other 18" in found.text
    assert findings.drafts_finding([], 20).verdict is Verdict.NOT_MEASURED


def test_the_bound_is_all_weights_at_the_bandwidth_of_a_copy() -> None:
    found = findings.passes_finding({64: 0.02, 1: 0.01}, 8 * 10**9, 1e12)
    assert found.values["bound_seconds"] == 0.008
    assert found.values["share_of_bandwidth"] == {"1": pytest.approx(0.8), "64": 0.4}
    assert "one slot reaches 80% and 64 reach 40%" in found.text
    assert "bound_seconds" not in findings.passes_finding({1: 0.01}, 1, None).values


def test_times_of_whole_answers_are_measured_after_the_first_ones() -> None:
    pairs = [Comparison(_result([1] * 9, 8, 99.0), _result([1] * 9, 2, 99.0))] * 3
    pairs += [Comparison(_result([1] * 9, 8, 4.0), _result([1] * 9, 2, 1.0))]
    values = findings.answers_finding(pairs, 10**9).values
    assert values["answer_seconds"] == 1.75 and values["plain_answer_seconds"] == 4.75
    assert values["seconds_per_drafted_pass"] == 0.5 and values["estimated"] is False


def test_answers_without_an_end_are_a_basis_for_an_estimate() -> None:
    pair = Comparison(_result([1] * 9, 8, 4.0, ended=False), _result([1] * 9, 2, 1.0, ended=False))
    values = findings.answers_finding([pair], 10**9).values
    assert values["estimated"] is True
    assert values["answer_seconds"] == 0.75 + CHUNK_PASSES * 0.5
    assert values["plain_answer_seconds"] == 0.75 + (CHUNK_TOKENS - 1) * 0.5
