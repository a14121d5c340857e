# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which values a few tokens can still become."""

from __future__ import annotations

from collections.abc import Mapping

Tokens = tuple[int, ...]


class TokenTrie:
    """The real tokenisations of all values that one slot of an answer can hold.

    Attributes:
        spellings: value -> its token ids.
    """

    def __init__(self, spellings: Mapping[int, Tokens]) -> None:
        self.spellings = dict(spellings)
        self._matches: dict[Tokens, list[int]] = {}
        self._next: dict[Tokens, set[int]] = {}
        self._values: dict[Tokens, int] = {}
        for value, ids in self.spellings.items():
            self._values[ids] = value
            for length in range(len(ids) + 1):
                self._matches.setdefault(ids[:length], []).append(value)
                if length < len(ids):
                    self._next.setdefault(ids[:length], set()).add(ids[length])

    def matches(self, prefix: Tokens) -> list[int]:
        """Values whose tokens begin with `prefix`."""
        return self._matches.get(prefix, [])

    def value(self, ids: Tokens) -> int | None:
        """Return the value that these tokens spell, if they do."""
        return self._values.get(ids)

    def following(self, prefix: Tokens) -> set[int]:
        """Return the tokens that go on with some value after `prefix`."""
        return self._next.get(prefix, set())

    def is_open(self, prefix: Tokens) -> bool:
        """Whether some value goes on after `prefix`."""
        return prefix in self._next

    def forced(self, prefix: Tokens) -> int | None:
        """Return the only token that can follow; None: there are several, or the value may end."""
        following = self._next.get(prefix, ())
        if len(following) != 1 or prefix in self._values:
            return None
        return next(iter(following))
