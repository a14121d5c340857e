# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where in an answer's form some tokens lead, and where to go on after a surprise."""

from __future__ import annotations

from typing import NamedTuple

from molmoact_ros.decoding.drafts.template import NO_VALUES, Literal, Slot, Template, Values
from molmoact_ros.decoding.drafts.trie import Tokens


class Cursor(NamedTuple):
    """A place in an answer.

    Attributes:
        template: the form that the answer is believed to have.
        place: the element that the next token belongs to, or that it ends.
        prefix: tokens of this element that were already emitted.
        values: values of the answer so far.
    """

    template: Template
    place: int = 0
    prefix: Tokens = ()
    values: Values = NO_VALUES

    @property
    def element(self) -> Literal | Slot | None:
        """The current element, None after the last."""
        elements = self.template.elements
        return elements[self.place] if self.place < len(elements) else None

    def enter(self, index: int) -> Cursor:
        """Return the start of another element."""
        return Cursor(self.template, index, (), self.values)

    def take(self, group: int, value: int) -> Cursor:
        """Return the start of the next element, with one more value known."""
        values = (*self.values[:group], (*self.values[group], value), *self.values[group + 1 :])
        return Cursor(self.template, self.place + 1, (), values)

    def advance(self, token: int) -> Cursor | None:
        """Return the place after one more token; None when the form does not allow it here."""
        element = self.element
        prefix = (*self.prefix, token)
        if isinstance(element, Literal):
            if element.ids[len(self.prefix)] != token:
                return None
            if len(prefix) == len(element.ids):
                return self.enter(self.place + 1)
            return self._replace(prefix=prefix)
        if element is None:
            return None
        if element.trie.matches(prefix):
            value = element.trie.value(prefix)
            if value is None or element.trie.is_open(prefix):
                return self._replace(prefix=prefix)
            return self.take(element.group, value)
        # "12" may end or become "123": the value ends when the token does not continue it.
        value = element.trie.value(self.prefix)
        return None if value is None else self.take(element.group, value).advance(token)


def realign(cursor: Cursor, token: int) -> Cursor | None:
    """Return the nearest place where `token` fits, after `cursor` did not allow it.

    A trajectory may have fewer points, a value may be malformed, a wording may differ: drafting
    goes on from the next place in the form, ahead first, that begins with the tokens seen.
    """
    element = cursor.element
    if isinstance(element, Slot):
        value = element.trie.value(cursor.prefix)
        if value is not None:
            cursor = cursor.take(element.group, value)
    pending = (*cursor.prefix, token) if isinstance(element, Literal) else (token,)
    count = len(cursor.template.elements)
    order = [*range(cursor.place, count), *range(cursor.place - 1, -1, -1)]
    for tokens in dict.fromkeys((pending, (token,))):
        for index in order:
            reached: Cursor | None = cursor.enter(index)
            for each in tokens:
                reached = reached.advance(each) if reached else None
            if reached is not None:
                return reached
    return None
