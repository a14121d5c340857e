# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Statistics: selection, un-normalisation and every way in which they can be broken."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest

from molmoact_ros.answer import ActionStats
from molmoact_ros.answer.stats import select_unnorm_key


def test_callers_mask_is_not_touched(norm_stats: dict[str, Any]) -> None:
    mask = np.ones(7, dtype=bool)
    norm_stats["robot"]["action"]["mask"] = mask
    stats = ActionStats.from_norm_stats(norm_stats)
    assert mask.all()
    assert stats.mask.tolist() == [True] * 6 + [False]


def test_unnormalize(norm_stats: dict[str, Any]) -> None:
    stats = ActionStats.from_norm_stats(norm_stats)
    actions = stats.unnormalize(np.array([[-1.0] * 7, [1.0] * 7, [0.0] * 7]))
    assert actions.dtype == np.float64
    np.testing.assert_allclose(actions[0], [-0.1, -0.2, -0.3, -1, -1, -1, -1], rtol=1e-6)
    np.testing.assert_allclose(actions[1], [0.1, 0.2, 0.3, 1, 1, 1, 1], rtol=1e-6)
    np.testing.assert_allclose(actions[2], 0, atol=1e-7)


def test_statistics_cannot_be_changed(norm_stats: dict[str, Any]) -> None:
    stats = ActionStats.from_norm_stats(norm_stats)
    with pytest.raises(ValueError):
        stats.q01[0] = 1


@pytest.mark.parametrize("empty", [None, {}])
def test_no_statistics(empty: Any) -> None:
    with pytest.raises(ValueError, match="No norm_stats found"):
        select_unnorm_key(empty)


def test_unknown_key_lists_the_known(norm_stats: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"'typo' not in \['robot'\]"):
        ActionStats.from_norm_stats(norm_stats, "typo")


BROKEN = {
    "nan": ({"q01": [0, math.nan], "q99": [1, 1]}, r"q01\[1\] is nan"),
    "inf": ({"q01": [0, 0], "q99": [1, math.inf]}, r"q99\[1\] is inf"),
    "no_q99": ({"q01": [0, 0]}, "lacks q01 or q99"),
    "length": ({"q01": [0, 0], "q99": [1, 1, 1]}, "2 values in q01, 3 in q99"),
    "mask": ({"q01": [0, 0], "q99": [1, 1], "mask": [True]}, "1 in mask"),
    "words": ({"q01": ["a", "b"], "q99": [1, 1]}, "q01 must be a list of numbers"),
    "scalar": ({"q01": 0.5, "q99": 1.0}, "q01 must be a flat list"),
    "empty": ({"q01": [], "q99": []}, "q01 must be a flat list"),
}


@pytest.mark.parametrize("action, message", BROKEN.values(), ids=BROKEN.keys())
def test_broken_statistics(action: Any, message: str) -> None:
    stats = {"robot": {"action": copy.deepcopy(action)}}
    with pytest.raises(ValueError, match=message):
        ActionStats.from_norm_stats(stats)


def test_entry_without_action() -> None:
    with pytest.raises(ValueError, match=r"norm_stats\['robot'\].action lacks"):
        ActionStats.from_norm_stats({"robot": {"proprio": {}}})
