# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
r"""The tokenizer of the `vocab_tail` checkpoint: lists of actions become the tokens of Qwen2.

It differs from `tokenizer.py` in the action tokens, which it does not have: instead it holds the
merges of Qwen2's BPE that ever happen in a list of actions (qwen2_action_merges.json, written by
scripts/make_action_merges.py), and splits text as Qwen2 does. Words, numbers and the separators of
trajectories stay single tokens; the clause before the actions leaves the blank to their bracket.
"""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

from . import tokenizer as vocabulary

QWEN_SPLIT = (  # format.md 10.1
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Numbers, and what stands before one in a trajectory, are one piece each.
_NUMBER_SPLIT = r"[\[\],]+(?: \[*)?(?=[0-9])|[0-9]{1,3}|"
_MERGES = Path(__file__).parent / "qwen2_action_merges.json"

ACTION_CLAUSE = vocabulary.FULL_ANSWER[-1].rstrip()
STEERED_CLAUSE = vocabulary.STEER_ANSWER.rstrip()


def build_tail_tokenizer() -> Tokenizer:
    """Return the tokenizer; it depends on nothing but files of this package and the prompts."""
    first = json.loads(vocabulary.build_tokenizer().to_str())["model"]
    alphabet = [token for token in first["vocab"] if len(token) == 1]
    merges = [(left, right) for left, right in json.loads(_MERGES.read_text(encoding="utf-8"))]
    # After Qwen2's, so that these cannot change what happens to actions.
    merges += [(left, right) for left, right in first["merges"] if (left, right) not in merges]
    merges.append(("],", "Ġ["))
    tokens = dict.fromkeys([*alphabet, *(left + right for left, right in merges)])
    model = models.BPE({token: number for number, token in enumerate(tokens)}, merges)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_NUMBER_SPLIT + QWEN_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    blanks = {vocabulary.FULL_ANSWER[-1]: ACTION_CLAUSE}
    phrases = (blanks.get(phrase, phrase) for phrase in vocabulary.PHRASES)
    ordinary = (*phrases, *vocabulary.DEPTH_TOKENS, vocabulary.STEER_PROMPT[1], STEERED_CLAUSE)
    vocabulary.add_tokens(tokenizer, ordinary)
    return tokenizer
