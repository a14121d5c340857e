# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From the model's answer to depth codes, a trajectory and actions (format.md 11 to 14).

Two modes:

* `strict` is for robots: only the list after the last "action ... is" counts, and everything
  unusual is listed in `problems`. An answer with problems must not be executed.
* `compatible` gives exactly what the reference gives, with its quirks: brackets anywhere in the
  text count, malformed rows vanish, wrong strings turn into extreme values.
"""

from collections.abc import Mapping
from typing import Any, Literal

from molmoact_ros.answer.actions import ActionTokenizer
from molmoact_ros.answer.depth import DepthTokenizer
from molmoact_ros.answer.result import Answer
from molmoact_ros.answer.stats import ActionStats

from .reference_parser import read_compatible
from .strict_parser import Expectation, read_strict


def parse_answer(
    text: str,
    norm_stats: Mapping[str, Any] | None = None,
    unnorm_key: str | None = None,
    *,
    mode: Literal["strict", "compatible"] = "strict",
    action_tokenizer: ActionTokenizer | None = None,
    depth_tokenizer: DepthTokenizer | None = None,
    rows: int | None = None,
    steered: bool = False,
    finished: bool = True,
) -> Answer:
    """Read an answer.

    Args:
        text: the decoded answer, special tokens skipped.
        norm_stats: the checkpoint's action statistics.
        unnorm_key: entry of norm_stats; None when there is only one.
        mode: "strict" for control, "compatible" for the reference's exact values.
        action_tokenizer: codebook; `vocab_tail` when None.
        depth_tokenizer: size of the depth grid; 10 x 10 of 128 codes when None.
        rows: rows that the answer must have; None: any number from 1. Strict mode only.
        steered: the prompt was a steering prompt, whose answer has neither depth nor
            trajectory. Strict mode only.
        finished: the model ended the answer by itself (EOS). Strict mode only.

    Returns:
        The answer's content.

    Raises:
        ValueError: when the mode is unknown or the statistics can not be used, with the
            reference's words for a missing or unknown key. Never because of the text.
    """
    stats = ActionStats.from_norm_stats(norm_stats, unnorm_key)
    actions = action_tokenizer or ActionTokenizer()
    depth = depth_tokenizer or DepthTokenizer()
    if mode == "strict":
        return read_strict(text, stats, actions, depth, Expectation(rows, steered, finished))
    if mode == "compatible":
        return read_compatible(text, stats, actions, depth)
    raise ValueError(f"mode is {mode!r}; known are 'strict' and 'compatible'")
