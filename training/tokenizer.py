# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
r"""Builds the small checkpoint's tokenizer: a byte-level BPE that knows its few words whole.

Order of the ids, as released tokenizers are made (format.md 8): bytes and merges, end of text, the
fixed phrases, 256 action tokens (Braille patterns U+2800 + byte), 130 depth tokens, the phrases of
the steering prompt, fillers up to the embedding size E, and from E the six image tokens. Phrases,
actions and depth tokens are ordinary added tokens: text that holds them reads the same, it only
costs fewer tokens.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from molmoact_ros.answer.prompts import (
    reasoning_answer,
    reasoning_prompt,
    steering_answer,
    steering_prompt,
)

END_OF_TEXT = "<|endoftext|>"
IMAGE_TOKENS = ("<im_start>", "<im_end>", "<im_patch>", "<im_col>", "<|image|>", "<im_low>")
DEPTH_TOKENS = ("<DEPTH_START>", "<DEPTH_END>", *(f"<DEPTH_{code}>" for code in range(128)))
ACTION_TOKENS = tuple(chr(0x2800 + byte) for byte in range(256))
VOCABULARY_ROUNDING = 64

WORDS = (
    "reach pick up push put place move close open the a an to of on in and with from left right "
    "red green blue yellow black white block cube ball box cup drawer gripper arm table robot"
).split()

# Each brackets run with the blank and bracket that follow it is one piece, as is each number.
_SPLIT = (
    r"[\[\],]+(?: \[*)?|\p{N}{1,3}| ?\p{L}+| ?[^\s\p{L}\p{N}\[\],]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# The parts of "User: {prompt} Assistant:" and of the answer between the things that change.
_MARK = "\0"


def _pieces(text: str) -> tuple[str, ...]:
    return tuple(piece for piece in text.split(_MARK) if piece)


FULL_PROMPT = _pieces(f"User: {reasoning_prompt(_MARK, 1)} Assistant:")
# Two shorter questions that only training asks, before the whole answer is learned.
TRAJECTORY_END = ", what is the trajectory of the end effector? Assistant:"
ACTION_END = ", what is the trajectory of the end effector, and what is the next action? Assistant:"
FULL_ANSWER = tuple(
    piece for piece in _pieces(" " + reasoning_answer(_MARK, _MARK, _MARK, 1)) if piece != "."
)
SHORT_ANSWER = " The trajectory of the end effector is "
STEER_PROMPT = _pieces(f"User: {steering_prompt(_MARK, 1)} Assistant:")
STEER_ANSWER = _pieces(" " + steering_answer(_MARK))[0]
PHRASES = (*FULL_PROMPT, TRAJECTORY_END, ACTION_END, *FULL_ANSWER, SHORT_ANSWER)


def build_tokenizer() -> Tokenizer:
    """Return the tokenizer; it depends on nothing but this file and the prompts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=4096,
        min_frequency=1,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    add_tokens(tokenizer, (*PHRASES, *ACTION_TOKENS, *DEPTH_TOKENS, STEER_PROMPT[1], STEER_ANSWER))
    return tokenizer


def add_tokens(tokenizer: Tokenizer, ordinary: Iterable[str]) -> None:
    """Add end of text, tokens that are ordinary text, fillers and the image tokens."""
    tokenizer.add_special_tokens([AddedToken(END_OF_TEXT, special=True, normalized=False)])
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in ordinary])
    size = embedding_size(tokenizer)
    fillers = [f"|<EXTRA_TOKENS_{i}>|" for i in range(size - tokenizer.get_vocab_size())]
    tokenizer.add_special_tokens(
        [AddedToken(text, special=True, normalized=False) for text in (*fillers, *IMAGE_TOKENS)]
    )


def embedding_size(tokenizer: Tokenizer) -> int:
    """Return E, the id of the first image token."""
    start = tokenizer.token_to_id(IMAGE_TOKENS[0])
    if start is not None:
        return start
    return -(-tokenizer.get_vocab_size() // VOCABULARY_ROUNDING) * VOCABULARY_ROUNDING


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write tokenizer.json, tokenizer_config.json and special_tokens_map.json."""
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"bos_token": END_OF_TEXT, "eos_token": END_OF_TEXT, "pad_token": END_OF_TEXT}
    config = {
        **special,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "padding_side": "left",
        "model_max_length": 4096,
        "chat_template": _CHAT_TEMPLATE,
    }
    for name, content in (("tokenizer_config", config), ("special_tokens_map", special)):
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        (folder / f"{name}.json").write_text(text, encoding="utf-8")


def _corpus() -> list[str]:
    """Texts whose pieces shall all be single tokens."""
    separators = [", ", "], [", "[[", "]]", "[", "]", "."]
    words = [form for word in WORDS for form in (word, " " + word)]
    return [*separators, *words, *(str(number) for number in range(256))]


_CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['content'] is string %}"
    "{{ message['role'].capitalize() + ': ' + message['content'] }}"
    "{% else %}{{ message['role'].capitalize() + ': ' }}{% for item in message['content'] %}"
    "{% if item['type'] == 'text' %}{{ item['text'] }}{% if not loop.last %}{{ ' ' }}{% endif %}"
    "{% endif %}{% endfor %}{% endif %}{% if not loop.last %}{{ ' ' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ ' Assistant:' }}{% endif %}"
)
