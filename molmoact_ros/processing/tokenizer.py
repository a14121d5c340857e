# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The tokenizer of a checkpoint and its reserved tokens (format.md 8 and 10)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from molmoact_ros.answer import ActionTokenizer, prompts
from molmoact_ros.model import CheckpointError, read_json
from molmoact_ros.small_files import check_small_file

_MAX_TOKENIZER_BYTES = 64_000_000  # that of 7B-D has 7 MB
IMAGE_TOKENS = ("<im_start>", "<im_end>", "<im_patch>", "<im_col>")
DEPTH_TOKENS = ("<DEPTH_START>", "<DEPTH_END>", *(f"<DEPTH_{code}>" for code in range(128)))
_BYTE_ACTION_TOKENS = frozenset(ActionTokenizer("byte_level").strings)


def load_tokenizer(directory: Path) -> PreTrainedTokenizerFast:
    """Load `tokenizer.json` as it is, whatever tokenizer class the checkpoint names.

    Raises:
        CheckpointError: A file is missing or broken, or depth or image tokens are not there.
    """
    path = directory / "tokenizer.json"
    try:
        check_small_file(path, _MAX_TOKENIZER_BYTES)
    except FileNotFoundError as error:
        raise CheckpointError(f"{directory}: tokenizer.json is missing") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    config = read_json(directory, "tokenizer_config.json")
    names = ("bos_token", "eos_token", "pad_token", "unk_token")
    special = {name: _content(config.get(name)) for name in names}
    try:
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(path),
            clean_up_tokenization_spaces=False,
            **{name: text for name, text in special.items() if text is not None},
        )
    except Exception as error:  # the Rust parser raises bare Exceptions
        raise CheckpointError(f"{path} is not a valid tokenizer file: {error}") from error
    _require(tokenizer, DEPTH_TOKENS, path, "depth tokens")
    _require(tokenizer, IMAGE_TOKENS, path, "image tokens")
    return tokenizer


def check_instruction(
    text: str, tokenizer: PreTrainedTokenizerFast, action_texts: Collection[str] = ()
) -> None:
    """Refuse an instruction that would put reserved tokens into the prompt.

    Args:
        text: The user's instruction.
        tokenizer: As `load_tokenizer` returns it.
        action_texts: Text of the action tokens, where they are ordinary text (`vocab_tail`).

    Raises:
        ValueError: The text is longer than `prompts.MAX_INSTRUCTION`, or holds a control character
            or the text of a special, depth or action token; the message names it.
    """
    prompts.check_instruction(text)
    reserved = reserved_tokens(tokenizer)
    for token in tokenizer.encode(text, add_special_tokens=False):
        if token in reserved:
            raise ValueError(f"instruction holds the reserved token '{reserved[token]}'")
    for action in action_texts:
        if action in text:
            raise ValueError(f"instruction holds the reserved action token '{action}'")


def reserved_tokens(tokenizer: PreTrainedTokenizerFast) -> dict[int, str]:
    """Return id and text of all special, depth and byte-level action tokens."""
    depth = set(DEPTH_TOKENS)
    return {
        index: token.content
        for index, token in tokenizer.added_tokens_decoder.items()
        if token.special or token.content in depth or token.content in _BYTE_ACTION_TOKENS
    }


def _content(token: Any) -> str | None:
    """Return the text of an entry of tokenizer_config.json: a string or an object."""
    return token.get("content") if isinstance(token, dict) else token


def _require(
    tokenizer: PreTrainedTokenizerFast, tokens: Sequence[str], path: Path, what: str
) -> None:
    id_of = tokenizer.backend_tokenizer.token_to_id  # get_vocab would copy all of them
    missing = [token for token in tokens if id_of(token) is None]
    if missing:
        raise CheckpointError(
            f"{path} has no {what}: {', '.join(missing[:5])}"
            f"{' and more' if len(missing) > 5 else ''} missing; it is not a MolmoAct tokenizer"
        )
