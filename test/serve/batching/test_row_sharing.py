# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Rows go where they promise most, and first to the robot whose chunk ends first."""

from collections.abc import Iterator

import pytest

from molmoact_ros.serve.batching.row_sharing import share_rows, urgencies


def test_rows_go_to_the_likeliest_guesses() -> None:
    chances = [[0.9, 0.5, 0.1], [0.8, 0.7, 0.6], []]
    # A root each, then 0.9, 0.8, 0.7 and 0.6.
    assert share_rows(chances, [1.0, 1.0, 1.0], 7) == [2, 4, 1]


def test_every_answer_has_a_row_however_little_it_promises() -> None:
    assert share_rows([[1.0] * 9, [0.01], [0.0]], [1.0, 0.3, 0.3], 3) == [1, 1, 1]


def test_no_more_rows_are_given_than_there_are_guesses() -> None:
    assert share_rows([[0.9], [0.2]], [1.0, 1.0], 64) == [2, 2]


def test_guesses_that_get_no_row_are_not_made() -> None:
    """Each costs host time, of which a pass has little."""
    made = [0, 0]

    def guesses(answer: int, chance: float) -> Iterator[float]:
        while True:
            made[answer] += 1
            yield chance

    assert share_rows([guesses(0, 0.9), guesses(1, 0.1)], [1.0, 1.0], 12) == [11, 1]
    assert made == [11, 1]


def test_a_row_counts_more_for_the_robot_whose_chunk_ends_first() -> None:
    weights = urgencies([10.1, 10.2, None, 17.0], now=10.0)
    assert weights == pytest.approx([1.0, 0.5, 0.25, 0.25])
    assert share_rows([[0.5], [0.9], [1.0], [1.0]], weights, 5) == [2, 1, 1, 1]


def test_without_deadlines_all_count_the_same() -> None:
    assert urgencies([None, None], now=3.0) == [1.0, 1.0]
    assert urgencies([], now=3.0) == []


def test_chunks_that_have_ended_come_behind_those_that_can_be_saved() -> None:
    assert urgencies([1.0, 9.0, 12.0], now=10.0) == [0.25, 0.25, 1.0]
    assert urgencies([1.0, 9.0, 10.0], now=10.0) == [1.0, 1.0, 1.0]
