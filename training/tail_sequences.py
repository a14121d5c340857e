# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers of the `vocab_tail` checkpoint: their lengths differ, because those of the values do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from .sequences import ACTION_SLOT, Batch, Question, Tokens, answer_text
from .spelling import Spelling, contexts

TAIL_FORMATS = ("action", "opening", "full", "steer")


class TailFormat(Question):
    """A question about reaching; the template is the answer up to the actions.

    Attributes:
        contexts: of the action values, int64 `[rows * 7]`.
        ends: whether the answer ends behind the actions, with EOS.
    """

    def __init__(self, name: str, tokenizer: Tokenizer) -> None:
        """Build one of `TAIL_FORMATS`."""
        head = answer_text(name).partition(ACTION_SLOT)[0].rstrip(" [")
        super().__init__(name, 0, tokenizer, np.array(tokenizer.encode(head).ids))
        self.contexts = contexts(self.rows, chunk=name != "action")
        self.ends = name != "opening"


@dataclass(frozen=True)
class TailAnswers:
    """Answers to C instructions about B images, padded at their ends to the longest.

    Attributes:
        ids: int64 `[B, C, La]`.
        value: int64 `[B, C, La]` which of the `rows * 7` action values a token belongs to, -1
            for none.
        node: int64 `[B, C, La]` node of the spelling in which the token is chosen, -1 for none.
        padding: bool `[B, C, La]`.
        starts: int64 `[B, C, rows * 7]` first token of each action value.
    """

    ids: np.ndarray
    value: np.ndarray
    node: np.ndarray
    padding: np.ndarray
    starts: np.ndarray


class TailVocabulary(Tokens):
    """The ids of the `vocab_tail` checkpoint's tokenizer, and its formats for reaching."""

    longest_answer = 480

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Look up the ids."""
        super().__init__(tokenizer)
        self.spelling = Spelling(tokenizer)
        self.formats: dict[str, list[TailFormat]] = {
            name: [TailFormat(name, tokenizer)] for name in TAIL_FORMATS
        }

    def answers(self, form: TailFormat, targets: Batch, bins: np.ndarray) -> TailAnswers:
        """Write answers.

        Args:
            form: Their format.
            targets: Coordinates and depth codes, for C instructions about B images.
            bins: int64 `[B, C, rows * 7]` the action values to write.
        """
        lengths = self.spelling.lengths[form.contexts, bins]
        fixed = len(form.answer)
        ends = fixed + lengths.cumsum(axis=-1)
        starts, last = ends - lengths, ends[..., -1]
        shape = (*bins.shape[:2], int(last.max()) + form.ends)
        ids = np.full(shape, self.eos)
        ids[..., :fixed] = form.answer
        self.fill(ids, form, targets)
        value, node = np.full(shape, -1), np.full(shape, -1)
        for depth in range(self.spelling.tokens.shape[-1]):
            b, c, v = np.nonzero(depth < lengths)
            place = (b, c, starts[b, c, v] + depth)
            chosen = (form.contexts[v], bins[b, c, v], depth)
            ids[place] = self.spelling.tokens[chosen]
            node[place] = self.spelling.nodes[chosen]
            value[place] = v
        padding = np.arange(shape[-1]) >= last[..., None] + form.ends
        return TailAnswers(ids, value, node, padding, starts)
