# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reads the form of an answer from the checkpoint's own answers (format.md 11 to 14)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from molmoact_ros.answer import ActionTokenizer
from molmoact_ros.decoding.drafts.template import (
    BIN,
    DEPTH,
    MAX_TRAJECTORIES,
    NO_VALUES,
    NUMBER,
    Element,
    Literal,
    Slot,
    Template,
    Values,
)
from molmoact_ros.decoding.drafts.trie import TokenTrie

_DEPTH = re.compile(r"<DEPTH_([0-9]{1,3})>")
_NUMBERS = re.compile(r"\[[\[\], 0-9]*[0-9][\[\], 0-9]*\]")
_NUMBER = re.compile(r"[0-9]{1,3}")
_ROW = re.compile(r"\[([^\[\]]+)\]")
_DEPTH_CODES = 128
_COORDINATES = 256


@dataclass(frozen=True)
class ReadAnswer:
    """A finished answer, split: its form, its values, and how many values its first row has."""

    template: Template
    values: Values
    columns: int


@dataclass(frozen=True)
class _Found:
    """A value in the answer's text: characters start..end."""

    start: int
    end: int
    group: int
    value: int


class AnswerReader:
    """Splits answers into fixed tokens and values, exactly as the tokenizer splits them.

    Byte pairs merge across the borders of values (`½],` can share a token), so a value's slot is
    the value with its neighbours up to the next place where merging stops for sure: the value
    alone when it is one token, else the stretch between two spaces, since byte-level tokenizers
    never merge across the front of a space.

    Attributes:
        eos_id: the token that ends every answer.
    """

    def __init__(
        self,
        encode: Callable[[str], Sequence[int]],
        decode: Callable[[Sequence[int]], str],
        eos_id: int,
        actions: ActionTokenizer,
    ) -> None:
        """Build the tries that need no answer.

        Args:
            encode: text -> ids, special tokens neither added nor recognised by surprise.
            decode: ids -> text, nothing skipped, nothing cleaned up.
            eos_id: the end token.
            actions: the checkpoint's action codebook.
        """
        self.eos_id = eos_id
        self._encode, self._decode, self._actions = encode, decode, actions
        self._single = all(len(encode(string)) == 1 for string in actions.strings)
        self._bins: dict[tuple[str, str], TokenTrie] = {}
        self._numbers = self._trie({n: str(n) for n in range(_COORDINATES)})
        self._depth = self._trie({n: f"<DEPTH_{n}>" for n in range(_DEPTH_CODES)})

    @classmethod
    def from_tokenizer(cls, tokenizer: Any, actions: ActionTokenizer, eos_id: int) -> AnswerReader:
        """Read with a transformers tokenizer."""
        return cls(
            lambda text: tokenizer.encode(text, add_special_tokens=False),
            lambda ids: tokenizer.decode(
                list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
            ),
            eos_id,
            actions,
        )

    def encode(self, text: str) -> list[int]:
        """The ids of an answer's text, EOS appended."""
        return [*self._encode(text), self.eos_id]

    def read(self, ids: Sequence[int]) -> ReadAnswer | None:
        """Form and values of a finished answer.

        Returns:
            None when the answer is not finished, or when its tokens are not those that the
            tokenizer would give to its parts (then nothing can be learned from it).
        """
        if not ids or ids[-1] != self.eos_id:
            return None
        text = self._decode(ids[:-1])
        elements: list[Element] = []
        tokens: list[int] = []
        values = [list(group) for group in NO_VALUES]
        end = 0
        found = self._values(text)
        for index, item in enumerate(found):
            following = found[index + 1].start if index + 1 < len(found) else len(text)
            start, stop = self._unit(text, item, end, following)
            self._add_literal(text[end:start], elements, tokens)
            trie = self._slot_trie(item, text[start : item.start], text[item.end : stop])
            elements.append(Slot(item.group, trie))
            tokens.extend(trie.spellings[item.value])
            values[item.group].append(item.value)
            end = stop
        self._add_literal(text[end:], elements, tokens)
        if tokens != list(ids[:-1]):
            return None
        elements.append(Literal((self.eos_id,)))
        first_row = next((len(r) for m in _ROW.finditer(text) if (r := self._row(m[1], 0))), 0)
        return ReadAnswer(Template(tuple(elements)), tuple(map(tuple, values)), first_row)

    def _values(self, text: str) -> list[_Found]:
        """All values that a slot can hold, in the order of the text."""
        found = [
            _Found(m.start(), m.end(), DEPTH, int(m[1]))
            for m in _DEPTH.finditer(text)
            if int(m[1]) < _DEPTH_CODES
        ]
        for k, listed in enumerate(_NUMBERS.finditer(text)):
            if k < MAX_TRAJECTORIES:
                found += [
                    _Found(m.start(), m.end(), NUMBER + k, int(m[0]))
                    for m in _NUMBER.finditer(text, listed.start(), listed.end())
                    if int(m[0]) < _COORDINATES and str(int(m[0])) == m[0]
                ]
        for row in _ROW.finditer(text):
            found += self._row(row[1], row.start(1))
        return sorted(found, key=lambda item: item.start)

    def _row(self, row: str, offset: int) -> list[_Found]:
        found = []
        for item in row.split(","):
            string = item.strip()
            bin_ = self._actions.bin_of(string)
            if bin_ is not None:
                start = offset + len(item) - len(item.lstrip())
                found.append(_Found(start, start + len(string), BIN, bin_))
            offset += len(item) + 1
        return found

    def _unit(self, text: str, item: _Found, before: int, following: int) -> tuple[int, int]:
        """Characters of the slot: the value with what can merge with it."""
        if item.group != BIN or self._single:
            return item.start, item.end
        start = text.rfind(" ", before, item.start)
        stop = text.find(" ", item.end, following)
        return start if start >= 0 else before, stop if stop >= 0 else following

    def _slot_trie(self, item: _Found, prefix: str, suffix: str) -> TokenTrie:
        if item.group == DEPTH:
            return self._depth
        if item.group != BIN:
            return self._numbers
        if (prefix, suffix) not in self._bins:
            strings = enumerate(self._actions.strings)
            self._bins[prefix, suffix] = self._trie({n: prefix + s + suffix for n, s in strings})
        return self._bins[prefix, suffix]

    def _trie(self, texts: dict[int, str]) -> TokenTrie:
        return TokenTrie({value: tuple(self._encode(text)) for value, text in texts.items()})

    def _add_literal(self, text: str, elements: list[Element], tokens: list[int]) -> None:
        if text:
            ids = self._encode(text)
            elements.append(Literal(tuple(ids)))
            tokens.extend(ids)
