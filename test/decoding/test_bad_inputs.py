# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers and devices that are not as the drafts and the decoder would like them."""

from typing import Any

import pytest
import torch

from molmoact_ros.answer import ActionTokenizer
from molmoact_ros.decoding import Decoder, Draft
from molmoact_ros.decoding.drafts import AnswerReader
from molmoact_ros.decoding.drafts.template import BIN, DEPTH, NUMBER
from molmoact_ros.decoding.static_cache import StaticCache
from molmoact_ros.faults import DeviceMemoryError


@pytest.fixture
def new_draft(reader: Any) -> Any:
    """Return a function that makes drafts that know no wording."""
    return lambda: Draft(reader)


@pytest.mark.parametrize(
    "text",
    [
        " The arm is near the block.",  # no cue at all
        " The depth map of the image is unknown. The action is unknown.",
        " <DEPTH_START><DEPTH_END>[[",
    ],
)
def test_answers_without_the_cues_of_the_grammar_teach_nothing_and_change_nothing(
    reader: Any, new_draft: Any, write: Any, replay: Any, text: str
) -> None:
    draft, undisturbed = new_draft(), new_draft()
    known, unread = reader.encode(write(0)), reader.encode(text)
    for each in (draft, undisturbed):
        replay(each, known)
        each.observe(known)
    draft.observe(unread)
    assert not draft.learned and undisturbed.learned
    again = reader.encode(write(0))
    assert replay(draft, again) == replay(undisturbed, again), "drafted from the answer before"


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_an_answer_that_was_cut_at_its_limit_teaches_nothing(
    reader: Any, new_draft: Any, write: Any, replay: Any, share: float
) -> None:
    draft = new_draft()
    ids = reader.encode(write(0))
    draft.observe(ids[: int(share * len(ids))])
    assert not draft.learned
    replay(draft, ids)
    draft.observe(ids)
    assert draft.learned


def test_a_vocabulary_without_depth_tokens_is_read_by_their_parts() -> None:
    """The processor refuses such a checkpoint; the reader does not rely on that."""
    actions = ActionTokenizer("byte_level")

    def encode(text: str) -> list[int]:
        return [ord(character) for character in text]

    reader = AnswerReader(encode, lambda ids: "".join(map(chr, ids)), 3, actions)
    depth = "".join(f"<DEPTH_{n}>" for n in (7, 12))
    text = f" <DEPTH_START>{depth}<DEPTH_END> [[1, 2]] {actions.encode([[0.5, -1]])}."
    read = reader.read(reader.encode(text))
    assert read is not None
    assert read.values[DEPTH] == (7, 12) and read.values[NUMBER] == (1, 2)
    assert read.values[BIN] == tuple(actions.encode_bins([0.5, -1]))


class _WithoutOffsets:
    """A tokenizer of Python alone: it encodes and decodes, and gives no offsets."""

    is_fast = False

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def encode(self, text: str, add_special_tokens: bool) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=add_special_tokens)
        return ids

    def decode(self, ids: list[int], **settings: Any) -> str:
        text: str = self._tokenizer.decode(ids, **settings)
        return text

    def __call__(self, *arguments: Any, **settings: Any) -> Any:
        raise NotImplementedError("return_offsets_mapping is not available with Python tokenizers")


def test_a_tokenizer_that_gives_no_offsets_is_read_all_the_same(
    split_tokenizer: Any, write_with: Any
) -> None:
    actions = ActionTokenizer("vocab_tail")
    eos = split_tokenizer.eos_token_id
    usual = AnswerReader.from_tokenizer(split_tokenizer, actions, eos)
    slow = _WithoutOffsets(split_tokenizer)
    reader = AnswerReader.from_tokenizer(slow, actions, eos)
    ids = usual.encode(write_with(actions, 0))
    found, expected = reader.read(ids), usual.read(ids)
    assert found is not None and expected is not None
    assert (found.values, found.lengths) == (expected.values, expected.lengths)
    draft = Draft.from_tokenizer(slow, actions, eos, rows=8, columns=7)
    draft.observe(ids)
    assert draft.learned


@pytest.mark.parametrize("repeatable", [True, False])
def test_too_little_memory_for_the_cache_and_its_block_names_what_would_fit(
    random_model: Any, monkeypatch: pytest.MonkeyPatch, repeatable: bool
) -> None:
    model = random_model(2)
    asked = []

    def refuse(network: Any, capacity: int) -> Any:
        asked.append(capacity)
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 77.00 MiB.")

    monkeypatch.setattr(StaticCache, "for_model", refuse)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10**6, 10**9))
    with pytest.raises(DeviceMemoryError, match=r"77.00 MiB was asked for .* cache"):
        Decoder(model, 100, repeatable=repeatable)
    assert asked == [164], "room for a block behind the last token"
