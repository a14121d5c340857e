# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Trees of drafted tokens, their layout in a block, and the choice of the block."""

import numpy as np
import pytest

from molmoact_ros.decoding.blocks import DEFAULT_COSTS, choose_block
from molmoact_ros.decoding.tree import TokenTree, block_layout

#        10 - 11
# root <
#        20 - 21
#           - 22
TREE = TokenTree((10, 11, 20, 21, 22), (-1, 0, -1, 2, 2), ("a", "a", "b", "b", "b"), (0.5,) * 5)


def test_follow_keeps_the_path_of_the_argmax() -> None:
    assert TREE.follow([20, 0, 0, 22, 0, 99]) == [2, 4]
    assert TREE.follow([10, 7, 0, 0, 0, 0]) == [0]
    assert TREE.follow([5, 11, 0, 22, 0, 0]) == []


def test_the_first_of_equal_siblings_is_followed() -> None:
    tree = TokenTree((7, 7, 8), (-1, -1, 0), ("a",) * 3, (0.5,) * 3)
    assert tree.follow([7, 8, 9, 0]) == [0, 2]


def test_tokens_that_the_head_cannot_write_are_cut_with_their_branch() -> None:
    assert TREE.within(100) is TREE
    tree = TREE.within(20)
    assert (tree.tokens, tree.parents) == ((10, 11), (-1, 0))
    tree = TokenTree((-5, 3, 4, 6), (-1, 0, -1, 2), ("a", "b", "c", "d"), (0.5,) * 4).within(100)
    assert (tree.tokens, tree.parents, tree.sources) == ((4, 6), (-1, 0), ("c", "d"))


def test_a_tree_must_be_in_order_and_complete() -> None:
    with pytest.raises(ValueError, match="before their children"):
        TokenTree((1, 2), (1, -1), ("a", "a"), (1.0, 1.0))
    with pytest.raises(ValueError, match="differ in length"):
        TokenTree((1, 2), (-1,), ("a", "a"), (1.0, 1.0))


def test_slots_see_their_ancestors_only() -> None:
    depths, visible = block_layout(TREE.parents, 8)
    assert depths == [0, 1, 2, 1, 2, 2, 0, 0]
    seen = [set(np.flatnonzero(row)) for row in visible]
    assert seen == [{0}, {0, 1}, {0, 1, 2}, {0, 3}, {0, 3, 4}, {0, 3, 5}, {6}, {7}]


def test_the_block_grows_with_what_it_promises() -> None:
    assert choose_block([], DEFAULT_COSTS) == 1
    assert choose_block([0.9] * 7, DEFAULT_COSTS) == 8
    assert choose_block([0.9] * 63, DEFAULT_COSTS) == 64
    assert choose_block([0.9] + [0.0] * 62, DEFAULT_COSTS) == 8
    # Where a pass costs as much as its slots, long shots are not worth it.
    assert choose_block([0.05] * 63, {1: 1.0, 8: 8.0, 64: 64.0}) == 1


def test_the_main_path_takes_the_front() -> None:
    tree = TokenTree((20, 10, 21, 11, 22), (-1, -1, 0, 1, 2), tuple("abcde"), (0.5,) * 5)
    ordered = tree.main_path_first()
    assert ordered.tokens == (20, 21, 22, 10, 11)
    assert ordered.parents == (-1, 0, 1, -1, 3)
    assert ordered.sources == ("a", "c", "e", "b", "d")
    assert TokenTree().main_path_first() == TokenTree()


def test_a_tree_hangs_behind_a_chain() -> None:
    tree = TREE.behind(TokenTree.chain([7, 8], "x"))
    assert tree.tokens == (7, 8, 10, 11, 20, 21, 22)
    assert tree.parents == (-1, 0, 1, 2, 1, 4, 4)
    assert TREE.behind(TokenTree()) == TREE


def test_what_a_branch_promises_is_a_chain_with_the_sources_of_its_nodes() -> None:
    choices = [20, 0, 0, 22, 0, 99]  # along the nodes 2 and 4
    promised = TREE.promised(TREE.follow(choices), choices)
    assert promised.tokens == (22, 99)
    assert promised.parents == (-1, 0)
    assert promised.sources == ("b", "")  # the last one is the model's own choice
    assert TREE.promised([], choices) == TokenTree()
