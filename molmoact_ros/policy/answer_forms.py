# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Keeps a checkpoint's answers to the forms of its own well-formed ones (`constrained`)."""

from __future__ import annotations

from typing import Any

from molmoact_ros.answer import ActionTokenizer, Answer
from molmoact_ros.decoding import AnswerReader, GenerationResult, Grammar


class AnswerForms:
    """The grammars of one checkpoint: steered answers have a form of their own."""

    def __init__(self, tokenizer: Any, actions: ActionTokenizer, max_overruled: int) -> None:
        """Know no form yet.

        Args:
            tokenizer: The checkpoint's transformers tokenizer.
            actions: Its action codebook.
            max_overruled: Tokens of an answer that may be overruled.
        """
        reader = AnswerReader.from_tokenizer(tokenizer, actions, tokenizer.eos_token_id)
        self._grammars = {steered: Grammar(reader) for steered in (False, True)}
        self._max_overruled = max_overruled

    def __getitem__(self, steered: bool) -> Grammar:
        return self._grammars[steered]

    def check(self, result: GenerationResult, answer: Answer, steered: bool) -> tuple[str, ...]:
        """Learn from an answer that is all the model's own, and return what is wrong with it."""
        overruled = result.overruled
        if answer.valid and not overruled:
            self._grammars[steered].learn(
                result.ids,
                depth=0 if answer.depth is None else answer.depth.size,
                numbers=sum(points.size for points in answer.trajectories),
                bins=answer.actions.size,
            )
        if overruled <= self._max_overruled:
            return answer.problems
        return (
            *answer.problems,
            f"{overruled} tokens of the answer were overruled to keep its form, more than"
            f" max_overruled ({self._max_overruled})",
        )
