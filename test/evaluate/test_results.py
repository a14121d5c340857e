# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The figures of an evaluation."""

import json
import math

import pytest

from molmoact_ros.evaluate.results import (
    EpisodeResult,
    as_json,
    as_markdown,
    summary,
    wilson_interval,
)


def episode(reached: bool, nearest: str = "red", passes: float = 12.0) -> EpisodeResult:
    return EpisodeResult(
        seed=1,
        instruction="reach the red block",
        reached=reached,
        start_distance=0.3,
        final_distance=0.02 if reached else 0.2,
        nearest=nearest,
        named="red",
        seconds=5.0,
        path_length=0.3,
        answers=4,
        refused_answers=1,
        passes=passes,
        inference_seconds=0.2,
    )


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # From published tables of the Wilson score interval.
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (45, 50, 0.7864, 0.9565), (50, 50, 0.9287, 1)],
)
def test_wilson_interval(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-4)


def test_nothing_is_known_without_trials() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_the_summary_counts_what_was_reached_and_followed() -> None:
    figures = summary([episode(True), episode(False, "blue"), episode(False)])
    assert figures["episodes"] == 3
    assert figures["success"] == pytest.approx(1 / 3)
    assert figures["named_block_is_nearest"] == pytest.approx(2 / 3)
    assert figures["answers"] == 12 and figures["refused_answers"] == 3


def test_a_series_without_a_policy_is_valid_json_and_shows_no_passes() -> None:
    series = {"none": [episode(False, passes=math.nan)]}
    report = json.loads(json.dumps(as_json({}, series), allow_nan=False))
    assert report["summary"]["none"]["passes_per_answer"] is None
    assert as_markdown(series).splitlines()[-1].endswith("| - |")
