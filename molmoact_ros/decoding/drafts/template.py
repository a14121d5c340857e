# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The form of an answer: fixed tokens and slots for values, in order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from molmoact_ros.decoding.drafts.trie import Tokens, TokenTrie

DEPTH, BIN, NUMBER = 0, 1, 2
"""Groups of values: depth codes, action bins, and NUMBER + k for the k-th trajectory."""
MAX_TRAJECTORIES = 4
GROUPS = NUMBER + MAX_TRAJECTORIES

Values = tuple[tuple[int, ...], ...]
"""Values of an answer so far, one tuple per group."""
NO_VALUES: Values = ((),) * GROUPS


@dataclass(frozen=True)
class Literal:
    """Tokens that are the same in every answer of this form."""

    ids: Tokens


@dataclass(frozen=True)
class Slot:
    """A place for one value of `group`, spelled as in `trie`."""

    group: int
    trie: TokenTrie


Element = Literal | Slot


@dataclass(frozen=True)
class Template:
    """The elements of an answer, the last one being EOS."""

    elements: tuple[Element, ...]

    @cached_property
    def alternatives(self) -> list[tuple[int, ...]]:
        """For each element that is a literal: other literals that can stand in its place.

        A trajectory may be shorter or longer than in the answer that this form was learned from,
        so after each of its points the list can go on or close.
        """
        after: dict[int, dict[Tokens, int]] = {}
        for place, (slot, literal) in enumerate(pairwise(self.elements), start=1):
            if isinstance(slot, Slot) and isinstance(literal, Literal):
                after.setdefault(slot.group, {}).setdefault(literal.ids, place)
        found: list[tuple[int, ...]] = [()]
        for before, own in pairwise(self.elements):
            known = after.get(before.group, {}) if isinstance(before, Slot) else {}
            is_literal = isinstance(own, Literal)
            found.append(
                tuple(p for ids, p in known.items() if is_literal and ids != own.ids)  # type: ignore[union-attr]
            )
        return found

    @cached_property
    def point_ends(self) -> dict[int, list[int]]:
        """Places of the literals behind whole points, by place: those with other tokens instead.

        Where a well-formed trajectory can go on or close; `alternatives` are mere guesses.
        """
        counts = [0] * GROUPS
        ends: dict[int, dict[Tokens, list[int]]] = {}
        for place, (slot, literal) in enumerate(pairwise(self.elements), start=1):
            if isinstance(slot, Slot):
                counts[slot.group] += 1
                if slot.group >= NUMBER and counts[slot.group] % 2 == 0:
                    if isinstance(literal, Literal):
                        ends.setdefault(slot.group, {}).setdefault(literal.ids, []).append(place)
        return {
            place: [other[0] for ids, other in known.items() if ids != own]
            for known in ends.values()
            for own, places in known.items()
            for place in places
        }
