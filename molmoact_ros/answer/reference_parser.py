# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reading answers exactly as the reference does, quirks included (format.md 12 to 14)."""

import re

import numpy as np
from numpy.typing import NDArray

from molmoact_ros.answer.actions import ActionTokenizer
from molmoact_ros.answer.depth import DepthTokenizer, find_depth_spans
from molmoact_ros.answer.result import Answer
from molmoact_ros.answer.stats import ActionStats
from molmoact_ros.answer.trajectory import is_number, list_items, parse_trajectories

_INNERMOST = re.compile(r"\[([^\[\]]*)\]")


def read_compatible(
    text: str, stats: ActionStats, actions: ActionTokenizer, depth: DepthTokenizer
) -> Answer:
    """Read an answer as the reference does; anything unusual passes without a word."""
    spans = find_depth_spans(text)
    trajectories = parse_trajectories(text)
    return Answer(
        depth=_first_grid(spans, depth),
        trajectory=trajectories[0] if trajectories else None,
        actions=_read_actions(text, stats, actions),
        problems=(),
        depth_spans=tuple(spans),
        trajectories=tuple(trajectories),
    )


def _first_grid(spans: list[str], depth: DepthTokenizer) -> NDArray[np.uint8] | None:
    try:
        return depth.decode(spans[0]) if spans else None
    except ValueError:
        return None


def _read_actions(text: str, stats: ActionStats, actions: ActionTokenizer) -> NDArray[np.float64]:
    """Every list of D items anywhere in the text that looks like action strings, float64 [T, D]."""
    rows = []
    for body in _INNERMOST.findall(text):
        items = list_items(body)
        looks_like_actions = (
            len(items) == stats.dof
            and not all(map(is_number, items))
            and not "".join(items).isascii()
        )
        if looks_like_actions:
            rows.append([actions.decode_string(item) for item in items])
    return stats.unnormalize(np.array(rows, dtype=np.float64).reshape(-1, stats.dof))
