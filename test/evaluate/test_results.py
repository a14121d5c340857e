# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The figures of an evaluation."""

import json
import math
from dataclasses import replace

import pytest

from molmoact_ros.evaluate.results import (
    EpisodeResult,
    as_json,
    as_markdown,
    summary,
    wilson_interval,
)

EPISODE = EpisodeResult(
    series="policy",
    task="reach",
    seed=1,
    variation="easy",
    instruction="reach the red block",
    success=True,
    named="red",
    nearest="red",
    start_distance=0.3,
    final_distance=0.02,
    line_error=None,
    seconds=5.0,
    path_length=0.3,
    answers=4,
    refused_answers=1,
    passes=12.0,
    answer_seconds=0.2,
)
FAILED = replace(EPISODE, success=False, final_distance=0.2)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # From published tables of the Wilson score interval.
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (45, 50, 0.7864, 0.9565), (50, 50, 0.9287, 1)],
)
def test_wilson_interval(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-4)


def test_nothing_is_known_without_trials() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_the_summary_counts_what_succeeded_and_followed() -> None:
    figures = summary([EPISODE, replace(FAILED, nearest="blue"), FAILED])
    assert (figures["episodes"], figures["successes"]) == (3, 1)
    assert figures["success"] == pytest.approx(1 / 3)
    assert figures["named_block_is_nearest"] == pytest.approx(2 / 3)
    assert figures["within_5_cm_of_named_block"] == pytest.approx(1 / 3)
    assert figures["answers"] == 12 and figures["refused_answers"] == 3


def test_each_task_and_series_has_a_row() -> None:
    runs = [EPISODE, replace(EPISODE, task="pick"), replace(EPISODE, series="swapped"), EPISODE]
    rows = as_markdown(runs).splitlines()[2:]
    assert [row.split(" | ")[:3] for row in rows] == [
        ["| reach", "policy", "2 of 2"],
        ["| pick", "policy", "1 of 1"],
        ["| reach", "swapped", "1 of 1"],
    ]


def test_a_series_without_a_policy_is_valid_json_and_shows_no_passes() -> None:
    episode = replace(FAILED, series="none", passes=math.nan, answer_seconds=math.nan)
    report = json.loads(json.dumps(as_json({}, [episode]), allow_nan=False))
    assert report["summary"][0]["passes_per_answer"] is None
    assert as_markdown([episode]).splitlines()[-1].endswith("| - | - |")


def test_steered_episodes_tell_the_distance_to_the_line() -> None:
    episode = replace(EPISODE, series="steered", line_error=12.0)
    assert summary([episode])["line_error_median"] == 12.0
    assert "12 of 255 from the line's end" in as_markdown([episode])
