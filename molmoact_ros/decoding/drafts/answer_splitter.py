# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reads the form of an answer from the checkpoint's own answers (format.md 11 to 14)."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

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
from molmoact_ros.decoding.drafts.trie import Tokens, TokenTrie

_DEPTH = re.compile(r"<DEPTH_([0-9]{1,3})>")
_NUMBERS = re.compile(r"\[[\[\], 0-9]*[0-9][\[\], 0-9]*\]")
_NUMBER = re.compile(r"[0-9]{1,3}")
_ROW = re.compile(r"\[([^\[\]]+)\]")
_DEPTH_CODES = 128
_COORDINATES = 256
_PARTIAL = "\ufffd"  # what ids decode to that end within a character
_CONTEXT = 3  # tokens on either side of a slot that decide how its values are spelled
_MOST_TRIES = 64


@dataclass(frozen=True)
class ReadAnswer:
    """A finished answer, split.

    Attributes:
        template: its form.
        values: its values by group.
        lengths: tokens of each element of the template.
        columns: values in the first row of actions; 0 without one.
    """

    template: Template
    values: Values
    lengths: tuple[int, ...]
    columns: int


class _Found(NamedTuple):
    """A value in the answer's text: characters start..end."""

    start: int
    end: int
    group: int
    value: int


class _Tokens(NamedTuple):
    """An answer's ids with their text: `counts[i]` ids spell the first `places[i]` characters."""

    ids: Sequence[int]
    text: str
    places: list[int]
    counts: list[int]

    def spelled(self, first: int, last: int) -> Tokens:
        """Return the ids between two borders, indices of `places` that may lie outside."""
        last = min(last, len(self.counts) - 1)
        return tuple(self.ids[self.counts[max(0, first)] : self.counts[last]])

    def between(self, first: int, last: int) -> str:
        """Return the text between two borders, indices of `places` that may lie outside."""
        last = min(last, len(self.places) - 1)
        return self.text[self.places[max(0, first)] : self.places[last]]


class AnswerReader:
    """Splits answers into fixed tokens and values, at the borders of the answers' own tokens.

    Byte pairs merge across the borders of values (`½],` can share a token), so a value's slot is
    the value with its neighbours up to the next place where merging stops for sure: the value
    alone when it is one token, else the stretch between two spaces, since byte-level tokenizers
    never merge across the front of a space. Where a token of the answer reaches further, so does
    the slot. How other values would be spelled there is asked of the tokenizer with the text
    around the slot, because a part encoded alone can have other tokens than within an answer.

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
        """Prepare.

        Args:
            encode: text -> ids, special tokens neither added nor recognised by surprise.
            decode: ids -> text, nothing skipped, nothing cleaned up.
            eos_id: the end token.
            actions: the checkpoint's action codebook.
        """
        self.eos_id = eos_id
        self._encode, self._decode, self._actions = encode, decode, actions
        self._single = all(len(encode(string)) == 1 for string in actions.strings)
        self._strings: dict[int, Sequence[str]] = {
            DEPTH: [f"<DEPTH_{n}>" for n in range(_DEPTH_CODES)],
            BIN: actions.strings,
            NUMBER: [str(n) for n in range(_COORDINATES)],
        }
        self._tries: dict[Hashable, TokenTrie] = {}

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
        """Return the ids of an answer's text, EOS appended."""
        return [*self._encode(text), self.eos_id]

    def read(self, ids: Sequence[int]) -> ReadAnswer | None:
        """Split a finished answer into its form and its values.

        Values that share a token with the value before them are taken as fixed text; tokens that
        the tokenizer would not have chosen for a value do not matter.

        Returns:
            None when the answer does not end with EOS, holds no value, or an id below 0.
        """
        if not ids or ids[-1] != self.eos_id or min(ids) < 0:
            return None
        answer = self._tokens(ids[:-1])
        slots = self._slots(answer)
        if not slots:
            return None
        elements: list[Element] = []
        lengths: list[int] = []
        values = [list(group) for group in NO_VALUES]
        ends = [0, *(last for _, last, _ in slots)]
        starts = [*(first for first, _, _ in slots), len(answer.places) - 1]
        for (first, last, item), end, start in zip(slots, ends, starts[1:], strict=False):
            if literal := answer.spelled(end, first):
                elements.append(Literal(literal))
                lengths.append(len(literal))
            around = literal[-2:], answer.spelled(last, start)[:2]
            elements.append(Slot(item.group, self._trie(answer, first, last, item, around)))
            lengths.append(len(answer.spelled(first, last)))
            values[item.group].append(item.value)
        literal = (*answer.spelled(ends[-1], starts[-1]), self.eos_id)
        elements.append(Literal(literal))
        lengths.append(len(literal))
        row = next((r for m in _ROW.finditer(answer.text) if (r := self._row(m[1], 0))), ())
        found = Template(tuple(elements)), tuple(map(tuple, values)), tuple(lengths)
        return ReadAnswer(*found, columns=len(row))

    def _tokens(self, ids: Sequence[int]) -> _Tokens:
        """Find out which characters each token spells.

        Each is decoded behind the one before it, as some tokenizers put a space between words.
        """
        text, places, counts, first = "", [0], [0], 0
        for count in range(1, len(ids) + 1):
            more = self._decode(ids[first:count])
            if more.endswith(_PARTIAL) and count < len(ids):
                continue
            text += more[len(self._decode(ids[first : counts[-1]])) :]
            first = counts[-1]
            places.append(len(text))
            counts.append(count)
        return _Tokens(ids, text, places, counts)

    def _slots(self, answer: _Tokens) -> list[tuple[int, int, _Found]]:
        """Return the borders of each value's slot, indices of `places`, with the value."""
        slots = []
        found, end = self._values(answer.text), 0
        ends = [*(item.start for item in found[1:]), len(answer.text)]
        for item, following in zip(found, ends, strict=False):
            start, stop = self._unit(answer.text, item, answer.places[end], following)
            first = bisect_right(answer.places, start) - 1
            if first >= end:
                end = bisect_left(answer.places, stop)
                slots.append((first, end, item))
        return slots

    def _values(self, text: str) -> list[_Found]:
        """Return all values that a slot can hold, in the order of the text."""
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
        """Return the characters of a slot: the value with what can merge with it."""
        if item.group != BIN or self._single:
            return item.start, item.end
        start = text.rfind(" ", before, item.start)
        stop = text.find(" ", item.end, following)
        return start if start >= 0 else before, stop if stop >= 0 else following

    def _trie(
        self,
        answer: _Tokens,
        first: int,
        last: int,
        item: _Found,
        around: tuple[Tokens, Tokens],
    ) -> TokenTrie:
        """Return how all values are spelled in a slot between the fixed tokens `around` it."""
        prefix = answer.text[answer.places[first] : item.start]
        suffix = answer.text[item.end : answer.places[last]]
        group = min(item.group, NUMBER)
        key = group, prefix, suffix, around
        if key not in self._tries:
            left, right = first - _CONTEXT, last + _CONTEXT
            texts = answer.between(left, first) + prefix, suffix + answer.between(last, right)
            head, tail = answer.spelled(left, first), answer.spelled(last, right)
            spellings: dict[int, Tokens] = {}
            for value, string in enumerate(self._strings[group]):
                ids = tuple(self._encode(texts[0] + string + texts[1]))
                end = len(ids) - len(tail)
                if ids[: len(head)] == head and ids[end:] == tail:
                    spellings[value] = ids[len(head) : end]
                else:  # it merges with what is around it, or that is spelled as nobody would
                    spellings[value] = tuple(self._encode(prefix + string + suffix))
            known = (trie for trie in self._tries.values() if trie.spellings == spellings)
            trie = next(known, None) or TokenTrie(spellings)
            if len(self._tries) >= _MOST_TRIES:
                self._tries.clear()
            self._tries[key] = trie
        return self._tries[key]
