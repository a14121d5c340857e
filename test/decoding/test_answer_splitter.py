# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers are split into fixed tokens and values without changing a token."""

from molmoact_ros.decoding.drafts.template import BIN, DEPTH, NUMBER, Literal, Slot
from molmoact_ros.decoding.drafts.wording import example_answers


def _spell(read) -> list[int]:
    """The ids again, from form and values."""
    values = [iter(group) for group in read.values]
    ids: list[int] = []
    for element in read.template.elements:
        if isinstance(element, Literal):
            ids += element.ids
        else:
            ids += element.trie.spellings[next(values[element.group])]
    return ids


def test_form_and_values_spell_the_answer_again(reader, write):
    for seed in range(8):
        ids = reader.encode(write(seed, points=1 + seed % 5, rows=1 if seed == 3 else 8))
        read = reader.read(ids)
        assert _spell(read) == ids
        assert len(read.values[DEPTH]) == 100
        assert len(read.values[NUMBER]) == 2 * (1 + seed % 5)
        assert len(read.values[BIN]) == (7 if seed == 3 else 56)
        assert read.columns == 7


def test_values_are_those_of_the_text(reader, actions):
    text = f" It is <DEPTH_7><DEPTH_127>, [[0, 255], [10, 9]] and {actions.encode([[0.5, -1]] * 2)}"
    read = reader.read(reader.encode(text))
    assert read.values[DEPTH] == (7, 127)
    assert read.values[NUMBER] == (0, 255, 10, 9)
    assert read.values[BIN] == tuple(actions.encode_bins([0.5, -1] * 2))
    assert read.columns == 2


def test_answers_of_one_form_have_equal_templates(reader, write):
    first, second = (reader.read(reader.encode(write(seed))) for seed in (0, 1))
    assert first.template == second.template
    assert first.template != reader.read(reader.encode(write(0, points=4))).template


def test_unfinished_or_strange_answers_teach_nothing(reader, write):
    ids = reader.encode(write())
    assert reader.read(ids[:-1]) is None
    assert reader.read([]) is None
    wrong = [*ids[:200], ids[0], *ids[200:]]
    read = reader.read(wrong)
    assert read is None or _spell(read) == wrong


def test_numbers_that_are_no_coordinates_are_fixed_text(reader):
    ids = reader.encode(" [[300, 07], [1, 2]].")
    read = reader.read(ids)
    assert read.values[NUMBER] == (1, 2)
    assert _spell(read) == ids


def test_the_published_wordings_are_readable(reader, actions):
    reads = [reader.read(reader.encode(text)) for text in example_answers(actions, 8, 7)]
    assert [len(read.values[NUMBER]) for read in reads] == [10, 10, 10, 0]
    assert [len(read.values[NUMBER + 1]) for read in reads] == [0, 0, 10, 0]
    assert all(len(read.values[BIN]) == 56 for read in reads)
    slots = [e for e in reads[0].template.elements if isinstance(e, Slot)]
    assert len(slots) == 100 + 10 + 56
