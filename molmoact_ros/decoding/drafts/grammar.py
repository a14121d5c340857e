# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which tokens may follow in a well-formed answer: the forms of the checkpoint's own answers.

Wording, depth codes, rows and columns are as in an answer that was learned; only the values differ,
and the number of points of a trajectory. The mask of a step is the union over all learned forms
that the answer may still have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from molmoact_ros.decoding.drafts.cursor import Cursor
from molmoact_ros.decoding.drafts.template import BIN, DEPTH, NUMBER, Literal, Slot, Template
from molmoact_ros.decoding.tree import ROOT, TokenTree

from .answer_splitter import AnswerReader

_MOST_FORMS = 4
_MOST_POINTS = 16  # of a trajectory that is longer than in the learned form

State = tuple[Cursor, ...]
"""Places in learned forms where an answer may be; none: nothing is known, any token may follow."""


class Grammar:
    """The forms of one kind of answer of one checkpoint."""

    def __init__(self, reader: AnswerReader) -> None:
        """Know no form yet, so that nothing is overruled."""
        self._reader = reader
        self._forms: list[Template] = []

    @property
    def learned(self) -> bool:
        """Whether any form is known."""
        return bool(self._forms)

    def learn(self, ids: Sequence[int], *, depth: int, numbers: int, bins: int) -> None:
        """Allow answers of the form of a well-formed one, unless a value of it is not understood.

        A value that was taken for fixed text would be forced upon all later answers.

        Args:
            ids: the answer's tokens, which the model chose itself.
            depth: depth codes of the answer.
            numbers: coordinates of all its trajectories.
            bins: action values of all its rows.
        """
        read = self._reader.read(ids)
        if read is None:
            return
        counts = [len(group) for group in read.values]
        if (counts[DEPTH], counts[BIN], sum(counts[NUMBER:])) != (depth, bins, numbers):
            return
        if any(0 < count < 4 for count in counts[NUMBER:]):
            return  # one point does not show how a list goes on
        state: State = (Cursor(read.template),)
        for token in ids:
            state = advance(state, token)
        if state:  # else it is spelled as the tokenizer would not
            others = [form for form in self._forms if form != read.template]
            self._forms = [read.template, *others][:_MOST_FORMS]

    def begin(self) -> State:
        """Return the start of an answer."""
        return tuple(Cursor(form) for form in self._forms)


def advance(state: State, token: int) -> State:
    """Return the places after one more token; none when no form allows it."""
    reached: dict[tuple[int, int, tuple[int, ...]], Cursor] = {}
    for cursor in state:
        for place in _expanded(cursor):
            if token in _following(place):
                after = place.advance(token)
                assert after is not None
                reached.setdefault((id(after.template), after.place, after.prefix), after)
    return tuple(reached.values())


def allowed(state: State) -> list[int]:
    """Return the tokens that may follow, ascending."""
    return sorted({t for cursor in state for place in _expanded(cursor) for t in _following(place)})


def overrule(
    state: State,
    tree: TokenTree,
    choices: list[int],
    best_of: Callable[[int, list[int]], int | None],
) -> set[int]:
    """Replace choices that no form allows, in each slot along the path that decoding follows.

    Args:
        state: before the token that the root's slot chooses.
        tree: the drafted tokens.
        choices: the model's argmax in every slot; changed in place.
        best_of: (slot, tokens) -> which of the tokens has the largest logit there, None when the
            head can write none of them.

    Returns:
        The slots whose choice was replaced.
    """
    replaced: set[int] = set()
    node: int | None = ROOT
    while node is not None and state:
        slot = node + 1
        after = advance(state, choices[slot])
        if not after and (best := best_of(slot, allowed(state))) is not None:
            choices[slot] = best
            replaced.add(slot)
            after = advance(state, best)
        state = after
        node = tree.child(node, choices[slot])
    return replaced


def _following(cursor: Cursor) -> Sequence[int] | set[int]:
    """Return the tokens that go on with the element at this very place."""
    element = cursor.element
    if isinstance(element, Literal):
        return (element.ids[len(cursor.prefix)],)
    return () if element is None else element.trie.following(cursor.prefix)


def _expanded(cursor: Cursor) -> Iterator[Cursor]:
    """Return the place, and those that it is as well: behind a value, or where a list differs."""
    yield cursor
    element = cursor.element
    if isinstance(element, Slot):
        if (value := element.trie.value(cursor.prefix)) is not None:
            yield from _expanded(cursor.take(element.group, value))
    elif element is not None and not cursor.prefix:
        for place in cursor.template.point_ends.get(cursor.place, ()):
            before = cursor.template.elements[place - 1]
            group = before.group if isinstance(before, Slot) else NUMBER
            if place > cursor.place or len(cursor.values[group]) < 2 * _MOST_POINTS:
                yield cursor.enter(place)
