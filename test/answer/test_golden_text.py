# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every golden text file: the compatible mode gives the reference's values exactly."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from golden_files import GOLDEN

from molmoact_ros.answer import (
    ActionStats,
    ActionTokenizer,
    Answer,
    parse_answer,
    reasoning_prompt,
    steering_prompt,
    to_pixels,
)
from molmoact_ros.answer.depth import find_depth_spans
from molmoact_ros.answer.trajectory import parse_trajectories

TEXTS = GOLDEN / "text"


def _golden(name: str) -> Any:
    return json.loads((TEXTS / name).read_text(encoding="utf-8"))


PARSE = _golden("parse_cases.json")
CODEC = _golden("action_codec.json")
POLICY = _golden("policy.json")


def _stats_of(case: Any) -> Any:
    # The case without a key was recorded with a model that has one data set.
    if case["unnorm_key"] is None:
        return {"seven": PARSE["norm_stats"]["seven"]}
    return PARSE["norm_stats"]


@pytest.mark.parametrize("case", PARSE["cases"], ids=lambda case: case["name"])
def test_parse_case(case: Any) -> None:
    def parse() -> Answer:
        return parse_answer(
            case["text"],
            _stats_of(case),
            case["unnorm_key"],
            mode="compatible",
        )

    assert find_depth_spans(case["text"]) == case["depth"]
    assert [points.tolist() for points in parse_trajectories(case["text"])] == case["trace"]
    if "actions_error" in case:
        with pytest.raises(ValueError) as error:
            parse()
        assert [type(error.value).__name__, str(error.value)] == case["actions_error"]
        return
    answer = parse()
    assert answer.actions.tolist() == case["actions"]
    assert [points.tolist() for points in answer.trajectories] == case["trace"]
    assert answer.valid


def test_parse_errors() -> None:
    stats_of = {"no_stats": None, "many_stats_no_key": PARSE["norm_stats"]}
    for name, _, message in PARSE["errors"]:
        with pytest.raises(ValueError) as error:
            parse_answer("", stats_of[name], mode="compatible")
        assert str(error.value) == message


def test_vocab_tail_table() -> None:
    tokenizer = ActionTokenizer()
    for bin_, (string, id_, centre) in enumerate(CODEC["table"]):
        assert tokenizer.strings[bin_] == string
        assert tokenizer.values[bin_] == centre
        assert tokenizer.decode_string(string) == centre
        assert id_ == CODEC["base_vocab_size"] - 1 - bin_


@pytest.mark.parametrize("key, dtype", [("encode_float64", "f8"), ("encode_float32", "f4")])
def test_encoding(key: str, dtype: Any) -> None:
    values, ids = zip(*CODEC[key], strict=True)
    bins = ActionTokenizer().encode_bins(np.array(values, dtype=dtype))
    assert (CODEC["base_vocab_size"] - 1 - bins).tolist() == list(ids)


def test_raw_actions_to_text() -> None:
    pipeline = CODEC["raw_pipeline"]
    stats = ActionStats.from_norm_stats(
        {"raw": {"action": {"q01": pipeline["q01"], "q99": pipeline["q99"]}}}
    )
    tokenizer = ActionTokenizer()
    normalized = stats.normalize([item["action"] for item in pipeline["items"]])
    np.testing.assert_array_equal(
        normalized, np.array([item["normalized"] for item in pipeline["items"]], np.float32)
    )
    for row, item in zip(normalized, pipeline["items"], strict=True):
        assert tokenizer.encode(row) == item["text"]
    last = len(normalized) - 1
    for start, text in enumerate(pipeline["chunk_text"]):
        window = np.minimum(np.arange(start, start + pipeline["chunk_size"]), last)
        assert tokenizer.encode(normalized[window]) == text


def test_trajectory_points_to_pixels() -> None:
    for (x, y, width, height), expected in POLICY["scale_pt"]:
        assert np.rint(to_pixels([[x, y]], (width, height)))[0].tolist() == expected


def test_prompts() -> None:
    assert reasoning_prompt("pick coke can", 1) == POLICY["simpler_prompts"]["plain"]
    assert steering_prompt("pick coke can", 1) == POLICY["simpler_prompts"]["steered"]
