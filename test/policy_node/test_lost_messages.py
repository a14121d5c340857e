# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Lost messages are known by the gaps between those that arrived."""

import pytest

from molmoact_ros.policy_node.cameras import GapCounter


@pytest.mark.parametrize(
    ("arrived", "missing"),
    [
        ([], 0),
        ([("a", 7)], 0),
        ([(None, 7), (None, 9)], 1),  # middleware that does not name publishers
        ([("a", 1), ("a", 2), ("a", 3)], 0),
        ([("a", 1), ("a", 4), ("a", 6)], 3),
        ([("a", 1), ("a", 3), ("b", 90), ("b", 92)], 2),  # another publisher counts anew
        ([("a", 5), ("a", 5), ("a", 4), ("a", 6)], 1),  # never less than none
        ([("a", 1), ("a", None), ("a", 3)], 1),
    ],
)
def test_counts_what_is_missing(arrived: list[tuple[str | None, int | None]], missing: int) -> None:
    counter = GapCounter()
    for publisher, number in arrived:
        counter.add(publisher, number)
    assert counter.missing == missing
