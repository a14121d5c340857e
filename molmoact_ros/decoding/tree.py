# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Drafted tokens as a small tree, and the walk that keeps what greedy decoding would have written.

A pass runs over a block of slots. Slot 0 holds the root: the last emitted token, whose successor is
not known yet. Node i of the tree sits in slot i + 1. Every slot sees the whole cache, its ancestors
and itself, so that its argmax is that of plain decoding after that very sequence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

ROOT = -1


class Node(NamedTuple):
    """One guess of a TokenTree; fields as there."""

    token: int
    parent: int
    source: str
    reach: float


@dataclass(frozen=True)
class TokenTree:
    """Proposed continuations of the last emitted token.

    Attributes:
        tokens: proposed token id of each node.
        parents: index of the node that each node follows, ROOT (-1) for the last emitted token;
            always smaller than the node's own index, so every prefix of the lists is a tree too.
        sources: which draft each node came from, for the statistics.
        reach: estimated probability that decoding reaches and confirms the node.
    """

    tokens: tuple[int, ...] = ()
    parents: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()
    reach: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.tokens)
        if not len(self.parents) == len(self.sources) == len(self.reach) == count:
            raise ValueError("tokens, parents, sources and reach of a TokenTree differ in length")
        if any(not ROOT <= parent < node for node, parent in enumerate(self.parents)):
            raise ValueError("parents of a TokenTree must come before their children")

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def of(cls, nodes: Iterable[Node]) -> TokenTree:
        """Return the tree of these nodes, each behind its parent."""
        return cls(*zip(*nodes, strict=True))

    @classmethod
    def chain(cls, tokens: Sequence[int], source: str) -> TokenTree:
        """Return a tree without branches: each token follows the one before."""
        count = len(tokens)
        return cls(tuple(tokens), tuple(range(-1, count - 1)), (source,) * count, (1.0,) * count)

    def cut(self, count: int) -> TokenTree:
        """Return the tree of the first `count` nodes."""
        if count >= len(self):
            return self
        return TokenTree(
            self.tokens[:count], self.parents[:count], self.sources[:count], self.reach[:count]
        )

    def within(self, vocab_size: int) -> TokenTree:
        """Return the tree without tokens that the head cannot write, and what follows them."""
        if all(0 <= token < vocab_size for token in self.tokens):
            return self
        new_index = {ROOT: ROOT}
        for node, (token, parent) in enumerate(zip(self.tokens, self.parents, strict=True)):
            if 0 <= token < vocab_size and parent in new_index:
                new_index[node] = len(new_index) - 1
        kept = [node for node in new_index if node != ROOT]
        return TokenTree(
            tuple(self.tokens[node] for node in kept),
            tuple(new_index[self.parents[node]] for node in kept),
            tuple(self.sources[node] for node in kept),
            tuple(self.reach[node] for node in kept),
        )

    def main_path_first(self) -> TokenTree:
        """Return the same tree, main path in front: from the root, always the first child."""
        first: dict[int, int] = {}
        for node, parent in enumerate(self.parents):
            first.setdefault(parent, node)
        main: list[int] = []
        while (child := first.get(main[-1] if main else ROOT)) is not None:
            main.append(child)
        order = [*main, *sorted(set(range(len(self))) - set(main))]
        new_index = {ROOT: ROOT, **{old: new for new, old in enumerate(order)}}
        return TokenTree(
            tuple(self.tokens[old] for old in order),
            tuple(new_index[self.parents[old]] for old in order),
            tuple(self.sources[old] for old in order),
            tuple(self.reach[old] for old in order),
        )

    def promised(self, branch: Sequence[int], choices: Sequence[int]) -> TokenTree:
        """Return what the model chose along a part of a path, as a chain.

        Args:
            branch: the last nodes of a path that `follow` found; their own tokens are known.
            choices: the model's argmax in every slot.
        """
        sources = [*(self.sources[node] for node in branch[1:]), ""]
        tokens = [choices[node + 1] for node in branch]
        count = len(branch)
        return TokenTree(
            tuple(tokens), tuple(range(-1, count - 1)), tuple(sources[:count]), (1.0,) * count
        )

    def behind(self, chain: TokenTree) -> TokenTree:
        """Return a chain with this tree hanging on its last token."""
        count = len(chain)
        return TokenTree(
            chain.tokens + self.tokens,
            chain.parents + tuple(parent + count for parent in self.parents),
            chain.sources + self.sources,
            chain.reach + self.reach,
        )

    def child(self, node: int, token: int) -> int | None:
        """Return the first node that proposes `token` behind `node`, which may be ROOT."""
        return self._children.get((node, token))

    @cached_property
    def _children(self) -> dict[tuple[int, int], int]:
        nodes = reversed(list(enumerate(zip(self.tokens, self.parents, strict=True))))
        return {(parent, token): node for node, (token, parent) in nodes}

    def follow(self, choices: Sequence[int]) -> list[int]:
        """Nodes that greedy decoding confirms, from the root down.

        Args:
            choices: the model's argmax in every slot (slot 0 is the root, node i is slot i + 1).
        """
        path: list[int] = []
        node = self.child(ROOT, choices[0])
        while node is not None:
            path.append(node)
            node = self.child(node, choices[node + 1])
        return path


EMPTY_TREE = TokenTree()


def block_layout(parents: Sequence[int], size: int) -> tuple[list[int], np.ndarray]:
    """Depths and visibility of the slots of a block padded to `size`.

    Args:
        parents: parents of the tree's nodes, as in TokenTree.
        size: slots of the block, at least len(parents) + 1.

    Returns:
        Depth of each slot below the root (padding: 0), and bool [size, size]: [i, j] is True where
        slot i sees slot j. Padding sees only itself, so that its softmax stays finite.
    """
    depths = [0] * size
    visible = np.eye(size, dtype=bool)
    for node, parent in enumerate(parents):
        slot, above = node + 1, parent + 1
        depths[slot] = depths[above] + 1
        visible[slot] |= visible[above]
    return depths, visible


def count_sources(sources: Iterable[str], counts: dict[str, int]) -> None:
    """Add one to `counts` for every entry of `sources` that names one."""
    for source in filter(None, sources):
        counts[source] = counts.get(source, 0) + 1
