# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Membership in the Qwen2 base vocabulary."""

from __future__ import annotations

import random

import pytest

from molmoact_ros.answer import ActionTokenizer
from molmoact_ros.answer.vocabulary import in_base_vocabulary


@pytest.mark.parametrize("string", ["!", "0", "é", "hello", "Ġthe", "Ġrobot", "Ċ"])
def test_ordinary_entries(string: str) -> None:
    assert in_base_vocabulary(string)
    assert ActionTokenizer().decode_string(string) == ActionTokenizer().values[-1]


@pytest.mark.parametrize("string", ["", "<|im_end|>", "€€€", "ζζ?", "�", "â į¨", "12", "hello the"])
def test_strings_that_are_no_entries(string: str) -> None:
    assert not in_base_vocabulary(string)
    assert ActionTokenizer().decode_string(string) == ActionTokenizer().values[0]


def test_action_strings_are_entries_and_keep_their_bins() -> None:
    tokenizer = ActionTokenizer()
    for bin_, string in enumerate(tokenizer.strings):
        assert in_base_vocabulary(string)
        assert tokenizer.decode_string(string) == tokenizer.values[bin_]


def test_false_entries_are_rare() -> None:
    draw = random.Random(0)
    strings = ["".join(draw.choices("abcdefghijkl", k=12)) for _ in range(20_000)]
    assert sum(map(in_base_vocabulary, strings)) <= 5
