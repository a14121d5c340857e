# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The tokenizer: exact texts, few tokens."""

import pytest

from molmoact_ros.answer import ActionTokenizer
from molmoact_ros.answer.prompts import (
    reasoning_answer,
    reasoning_prompt,
    steering_answer,
    steering_prompt,
)
from training.sequences import Vocabulary
from training.tokenizer import ACTION_TOKENS, DEPTH_TOKENS, IMAGE_TOKENS, build_tokenizer


def encode(vocab: Vocabulary, text: str) -> list[int]:
    return vocab.tokenizer.encode(text, add_special_tokens=False).ids


def test_is_deterministic(vocab: Vocabulary) -> None:
    assert build_tokenizer().to_str() == vocab.tokenizer.to_str()


@pytest.mark.parametrize(
    "text",
    [
        f"User: {reasoning_prompt('reach the red block', 1)} Assistant:",
        f"User: {reasoning_prompt('close the box', 2)} Assistant:",
        f"User: {steering_prompt('push the blue block to the left', 1)} Assistant:",
        " " + steering_answer("[[⠀, ⣿]]"),
        " " + reasoning_answer("<DEPTH_START><DEPTH_127><DEPTH_END>", "[[1, 255]]", "[[⡿]]", 1),
        "Grüße,\n öffne 中文 12345  [[1,2],[3 , 4]] 'x' don't 🤖",
    ],
)
def test_text_survives(vocab: Vocabulary, text: str) -> None:
    assert vocab.tokenizer.decode(encode(vocab, text), skip_special_tokens=True) == text


def test_numbers_and_words_are_single_tokens(vocab: Vocabulary) -> None:
    assert all(len(encode(vocab, str(number))) == 1 for number in range(256))
    assert vocab.writer.numbers is not None and len(set(vocab.writer.numbers)) == 256
    assert len(encode(vocab, "reach the green block")) == 4
    assert len(encode(vocab, "[[1, 2], [3, 4]]")) == 9


def test_prompt_is_three_phrases_and_the_task_twice(vocab: Vocabulary) -> None:
    text = f"User: {reasoning_prompt('reach the blue block', 1)} Assistant:"
    assert len(encode(vocab, text)) == 3 + 2 * 4


def test_action_tokens_are_contiguous_and_in_the_order_of_their_values(vocab: Vocabulary) -> None:
    strings = ActionTokenizer("byte_level").strings
    assert strings == ACTION_TOKENS
    ids = [encode(vocab, string) for string in strings]
    assert ids == [[ids[0][0] + byte] for byte in range(256)]


def test_depth_tokens_are_ordinary_and_image_tokens_begin_at_the_embedding_size(
    vocab: Vocabulary,
) -> None:
    for token in DEPTH_TOKENS:
        (only,) = encode(vocab, token)
        assert vocab.tokenizer.decode([only], skip_special_tokens=True) == token
    ids = [vocab.tokenizer.token_to_id(token) for token in IMAGE_TOKENS]
    assert ids == list(range(vocab.size, vocab.size + 6))
    assert vocab.tokenizer.get_vocab_size() == vocab.size + 6
