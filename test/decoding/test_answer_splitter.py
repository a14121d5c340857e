# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers are split into fixed tokens and values without changing a token."""

import re
from collections.abc import Callable
from pathlib import Path

from molmoact_ros.answer import ActionTokenizer
from molmoact_ros.decoding.drafts import AnswerReader
from molmoact_ros.decoding.drafts.answer_splitter import ReadAnswer
from molmoact_ros.decoding.drafts.template import BIN, DEPTH, NUMBER, Literal, Slot
from molmoact_ros.decoding.drafts.wording import example_answers
from molmoact_ros.processing import MolmoActProcessor


def _read(reader: AnswerReader, ids: list[int]) -> ReadAnswer:
    """Return a finished answer as it was read."""
    read = reader.read(ids)
    assert read is not None
    return read


def _spell(read: ReadAnswer) -> list[int]:
    """Return the ids again, from form and values."""
    values = [iter(group) for group in read.values]
    ids: list[int] = []
    for element in read.template.elements:
        if isinstance(element, Literal):
            ids += element.ids
        else:
            ids += element.trie.spellings[next(values[element.group])]
    return ids


def test_form_and_values_spell_the_answer_again(
    reader: AnswerReader, write: Callable[..., str]
) -> None:
    for seed in range(8):
        ids = reader.encode(write(seed, points=1 + seed % 5, rows=1 if seed == 3 else 8))
        read = _read(reader, ids)
        assert _spell(read) == ids
        assert len(read.values[DEPTH]) == 100
        assert len(read.values[NUMBER]) == 2 * (1 + seed % 5)
        assert len(read.values[BIN]) == (7 if seed == 3 else 56)
        assert read.columns == 7


def test_values_are_those_of_the_text(reader: AnswerReader, actions: ActionTokenizer) -> None:
    text = f" It is <DEPTH_7><DEPTH_127>, [[0, 255], [10, 9]] and {actions.encode([[0.5, -1]] * 2)}"
    read = _read(reader, reader.encode(text))
    assert read.values[DEPTH] == (7, 127)
    assert read.values[NUMBER] == (0, 255, 10, 9)
    assert read.values[BIN] == tuple(actions.encode_bins([0.5, -1] * 2))
    assert read.columns == 2


def test_answers_of_one_form_have_equal_templates(
    reader: AnswerReader, write: Callable[..., str]
) -> None:
    first, second = (_read(reader, reader.encode(write(seed))) for seed in (0, 1))
    assert first.template == second.template
    assert first.template != _read(reader, reader.encode(write(0, points=4))).template


def test_unfinished_answers_and_those_without_values_teach_nothing(
    reader: AnswerReader, write: Callable[..., str]
) -> None:
    ids = reader.encode(write())
    assert reader.read(ids[:-1]) is None
    assert reader.read([]) is None
    assert reader.read(reader.encode(" I cannot see it.")) is None


def test_a_repeated_phrase_is_fixed_text(reader: AnswerReader, write: Callable[..., str]) -> None:
    ids = reader.encode(write())
    wrong = [*ids[:200], ids[0], *ids[200:]]
    read = _read(reader, wrong)
    assert read is not None
    assert sum(read.lengths) == len(wrong)


def test_tokens_that_nobody_would_choose_cost_their_part_only(
    reader: AnswerReader, write: Callable[..., str]
) -> None:
    text = write()
    usual, start = _read(reader, reader.encode(text)), text.index("The trajectory of")
    ids = [
        *reader.encode(text[:start])[:-1],
        *reader.encode("The traj")[:-1],
        *reader.encode("ectory of" + text[start + len("The trajectory of") :]),
    ]
    assert ids != reader.encode(text)
    odd = _read(reader, ids)
    assert usual is not None
    assert odd is not None
    assert odd.values == usual.values
    pairs = zip(odd.template.elements, usual.template.elements, strict=True)
    assert sum(mine != theirs for mine, theirs in pairs) == 1


def test_the_answers_of_a_checkpoint_with_phrases_as_tokens_are_read(
    write_with: Callable[..., str],
) -> None:
    """Its separators are single tokens only in front of a digit, so parts alone differ."""
    actions = ActionTokenizer("vocab_tail")
    folder = Path(__file__).parents[2] / "checkpoints" / "tabletop_tail"
    tokenizer = MolmoActProcessor.from_pretrained(folder).tokenizer
    reader = AnswerReader.from_tokenizer(tokenizer, actions, tokenizer.eos_token_id)
    reads = [_read(reader, reader.encode(write_with(actions, seed))) for seed in range(3)]
    for seed, read in enumerate(reads):
        assert read is not None
        assert _spell(read) == reader.encode(write_with(actions, seed))
        assert [len(group) for group in read.values[:3]] == [100, 56, 10]
    assert len({read.template for read in reads if read is not None}) == 1


def test_the_answers_of_a_word_level_tokenizer_are_read() -> None:
    actions = ActionTokenizer("byte_level")
    depth = [f"<DEPTH_{n}>" for n in range(128)]
    words = ["?", ".", ",", "[", "]", *depth, *map(str, range(256)), *actions.strings]
    words += "The depth map is and trace the action <DEPTH_START> <DEPTH_END> <end>".split()
    ids = {word: number for number, word in enumerate(dict.fromkeys(words))}
    known = [re.escape(word) for word in sorted(ids, key=len, reverse=True)]
    pattern = re.compile("|".join(known))
    names = list(ids)
    reader = AnswerReader(
        lambda text: [ids[word] for word in pattern.findall(text)],
        lambda tokens: " ".join(names[token] for token in tokens),
        ids["<end>"],
        actions,
    )
    text = "The depth map is <DEPTH_START> <DEPTH_7> <DEPTH_127> <DEPTH_END> and the trace [ [ 0 ,"
    text += f" 255 ] , [ 10 , 9 ] ] and the action {actions.encode([[0.5, -1]] * 2)} ."
    read = _read(reader, reader.encode(text))
    assert read is not None
    assert read.values[DEPTH] == (7, 127)
    assert read.values[NUMBER] == (0, 255, 10, 9)
    assert read.values[BIN] == tuple(actions.encode_bins([0.5, -1] * 2))
    assert _spell(read) == reader.encode(text)


def test_numbers_that_are_no_coordinates_are_fixed_text(reader: AnswerReader) -> None:
    ids = reader.encode(" [[300, 07], [1, 2]].")
    read = _read(reader, ids)
    assert read.values[NUMBER] == (1, 2)
    assert _spell(read) == ids


def test_the_published_wordings_are_readable(
    reader: AnswerReader, actions: ActionTokenizer
) -> None:
    reads = [_read(reader, reader.encode(text)) for text in example_answers(actions, 8, 7)]
    assert [len(read.values[NUMBER]) for read in reads] == [10, 10, 10, 0]
    assert [len(read.values[NUMBER + 1]) for read in reads] == [0, 0, 10, 0]
    assert all(len(read.values[BIN]) == 56 for read in reads)
    slots = [e for e in reads[0].template.elements if isinstance(e, Slot)]
    assert len(slots) == 100 + 10 + 56
