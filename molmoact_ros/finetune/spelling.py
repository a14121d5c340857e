# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How a tokenizer spells action values, as tries of tokens.

With `byte_level` a value is one token. With `vocab_tail` a blank always begins a new piece of the
tokenizer's split, so a list of actions is tokenised value by value: a value with the brackets
before it and the comma or brackets behind it. In one such context the 256 bins are 256 sequences
of tokens, none of them the beginning of another one.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from tokenizers import Tokenizer

from molmoact_ros.answer import ActionTokenizer

# What may stand before and behind a value: of a row, a whole chunk, or a chunk's beginning.
VALUE_CONTEXTS = tuple(product((" ", " [", " [["), (",", "],", "].", "]].")))


def contexts(rows: int, columns: int, chunk: bool, whole: bool) -> np.ndarray:
    """Return the indices into `VALUE_CONTEXTS` of the values of rows, int64 `[rows * columns]`.

    Args:
        rows: Number of rows.
        columns: Values of a row.
        chunk: Whether they are a list of rows; else one bare row.
        whole: Whether the list ends behind them.
    """
    found = []
    for row, column in product(range(rows), range(columns)):
        opening = " " if column else " [[" if chunk and row == 0 else " ["
        closing = "," if column < columns - 1 else "],"
        if column == columns - 1 and row == rows - 1 and whole:
            closing = "]]." if chunk else "]."
        found.append(VALUE_CONTEXTS.index((opening, closing)))
    return np.array(found)


class Spelling:
    """The token sequences of all bins in all contexts, K of them, L tokens at most.

    A node is a place in a trie: a context and the tokens of the value so far.

    Attributes:
        single: Whether each value is one token, whatever stands around it.
        tokens: int64 `[K, 256, L]`, -1 behind the end.
        lengths: int64 `[K, 256]`.
        nodes: int64 `[K, 256, L]` node in which each token is chosen, -1 behind the end.
        members: bool `[nodes, 256]` bins below a node.
        following: int64 `[nodes, 256]` next token of each member, 0 for other bins.
    """

    def __init__(self, tokenizer: Tokenizer, codebook: str) -> None:
        """Spell everything."""
        strings = ActionTokenizer(codebook).strings
        self.single = codebook == "byte_level"
        around = (("", ""),) if self.single else VALUE_CONTEXTS
        spelled = [
            [tokenizer.encode(opening + s + closing, add_special_tokens=False).ids for s in strings]
            for opening, closing in around
        ]
        self.lengths = np.array([[len(ids) for ids in row] for row in spelled])
        shape = (*self.lengths.shape, int(self.lengths.max()))
        self.tokens, self.nodes = np.full(shape, -1), np.full(shape, -1)
        places: dict[tuple[int, ...], int] = {}
        members: list[np.ndarray] = []
        following: list[np.ndarray] = []
        for context, row in enumerate(spelled):
            for bin_, ids in enumerate(row):
                self.tokens[context, bin_, : len(ids)] = ids
                for depth, token in enumerate(ids):
                    node = places.setdefault((context, *ids[:depth]), len(places))
                    if node == len(members):
                        members.append(np.zeros(len(strings), dtype=bool))
                        following.append(np.zeros(len(strings), dtype=np.int64))
                    members[node][bin_] = True
                    following[node][bin_] = token
                    self.nodes[context, bin_, depth] = node
        self.members, self.following = np.stack(members), np.stack(following)
