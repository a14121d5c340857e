# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Guesses of what an answer goes on with, as a tree of its likeliest continuations."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice
from typing import Any, NamedTuple

from molmoact_ros.answer import ActionTokenizer
from molmoact_ros.decoding.drafts.predictors import (
    BinPredictor,
    CoordinatePredictor,
    DepthPredictor,
    Predictor,
)
from molmoact_ros.decoding.drafts.template import MAX_TRAJECTORIES, Literal, Slot, Template
from molmoact_ros.decoding.drafts.trie import Tokens
from molmoact_ros.decoding.drafts.wording import example_answers
from molmoact_ros.decoding.tree import ROOT, Node, TokenTree

from .answer_history import History
from .answer_splitter import AnswerReader
from .cursor import Cursor, realign
from .expert_weights import Mixture

_log = logging.getLogger(__name__)
SOURCES = frozenset({"grammar", "time", "order", "row"})

_SURE = 0.995  # that fixed text goes on as it did
_SURPRISE = 0.02  # that a list ends or goes on where it did not before
_UNFORESEEN = 5e-4  # of each value that no guess names, once its first tokens fit
_LEAST_REACH = 1e-3  # nodes less likely than this are not worth a slot
_MOST_TEMPLATES = 8


class _Spelled(NamedTuple):
    """A value's tokens, its probability, and the source to credit."""

    ids: Tokens
    probability: float
    source: str


class _Option(NamedTuple):
    """A next token, its probability given all before, and the place that it leads on from.

    `pool` holds the values that are likely in the place's slot and go on with the token.
    """

    token: int
    probability: float
    source: str
    before: Cursor
    pool: list[_Spelled] | None = None

    def after(self) -> tuple[Cursor, list[_Spelled] | None]:
        """Return the place behind the token, and the pool while the slot is still the same."""
        cursor = self.before.advance(self.token)
        assert cursor is not None, "a drafted token must fit its own form"
        return cursor, self.pool if cursor.place == self.before.place else None


class Draft:
    """Foresees a checkpoint's answers from their form, the answers before and the rows so far.

    One Draft belongs to one stream of images: it remembers the last two answers. Its memory may
    be wrong in any way (another scene, instruction or checkpoint) without harm to the answer.
    The decoder calls `begin`, `extend` and `propose`; the owner calls `observe` after each answer.

    Attributes:
        sources: those of SOURCES that draft.
        learned: whether the last observed answer could be read; else drafts go on from older ones.
    """

    def __init__(
        self,
        reader: AnswerReader,
        examples: Iterable[str] = (),
        *,
        columns: int = 7,
        sources: Iterable[str] = SOURCES,
    ) -> None:
        """Learn the form of the examples.

        Args:
            reader: splits answers of this checkpoint.
            examples: answers that the checkpoint might give, see `wording.example_answers`.
            columns: values in a row of actions, until an answer was seen.
            sources: which of SOURCES may draft; the others are switched off.

        Raises:
            ValueError: when a source is not known.
        """
        self.sources = frozenset(sources)
        if unknown := self.sources - SOURCES:
            raise ValueError(f"unknown draft sources {sorted(unknown)}; known: {sorted(SOURCES)}")
        self.learned = True
        self._reader = reader
        self._templates: list[Template] = []
        self._history = History(columns)
        self._predictors: list[Predictor] = [
            DepthPredictor(),
            BinPredictor(),
            *(CoordinatePredictor() for _ in range(MAX_TRAJECTORIES)),
        ]  # by group
        self._mixtures = [Mixture(p.experts, self.sources) for p in self._predictors]
        for text in reversed(list(examples)):
            if (answer := reader.read(reader.encode(text))) is not None:
                self._remember(answer.template)
        self.begin()

    @classmethod
    def from_tokenizer(
        cls,
        tokenizer: Any,
        actions: ActionTokenizer,
        eos_id: int,
        *,
        rows: int = 8,
        columns: int = 7,
        sources: Iterable[str] = SOURCES,
    ) -> Draft:
        """Return a draft for a checkpoint, that starts from the published wordings.

        Args:
            tokenizer: the checkpoint's transformers tokenizer.
            actions: its action codebook.
            eos_id: its end token.
            rows: action rows of an answer, until an answer was seen.
            columns: values in each row, until an answer was seen.
            sources: see `__init__`.
        """
        reader = AnswerReader.from_tokenizer(tokenizer, actions, eos_id)
        examples = example_answers(actions, rows, columns)
        return cls(reader, examples, columns=columns, sources=sources)

    def begin(self) -> None:
        """Begin a new answer."""
        self._alive = [Cursor(template) for template in self._templates]
        self._last_known = self._alive[0] if self._alive else None
        self._emitted: list[int] = []

    def extend(self, tokens: Sequence[int]) -> None:
        """Follow the emitted tokens, and learn from the values that they complete."""
        for token in tokens:
            self._emitted.append(token)
            before = self._alive[0] if self._alive else None
            if before is not None and (after := before.advance(token)) is not None:
                self._learn(before, after)
            self._alive, self._last_known = _follow(self._alive, self._last_known, token)

    def observe(self, ids: Sequence[int], executed_steps: int = 0) -> None:
        """Remember a finished or cut answer as the draft of the next.

        Args:
            ids: the answer's tokens.
            executed_steps: steps of its chunk that the robot makes until the next image.
        """
        history = self._history
        history.executed = executed_steps
        answer = self._reader.read(ids)
        if answer is None and self.learned:
            ended = "has no values" if ids and ids[-1] == self._reader.eos_id else "was cut"
            _log.warning(
                f"drafts can learn nothing from an answer of {len(ids)} tokens, which {ended}: the"
                " next ones take more passes until one can be read"
            )
        self.learned = answer is not None
        if answer is not None:
            self._remember(answer.template)
            history.columns = answer.columns or history.columns
            values = answer.values
        elif list(ids) == self._emitted and self._last_known is not None:
            values = self._last_known.values
        else:
            return
        history.record(values)

    def propose(self, limit: int, provisional: Sequence[int] = ()) -> TokenTree:
        """At most `limit` likeliest continuations of the tokens so far, likeliest first.

        Args:
            limit: most nodes.
            provisional: tokens that probably follow those so far; the tree goes on behind them.
        """
        return TokenTree.of(islice(self.grow(provisional), limit))

    def grow(self, provisional: Sequence[int] = ()) -> Iterator[Node]:
        """Yield the likeliest continuations one by one; each costs time only when asked for.

        Args:
            provisional: as for `propose`.
        """
        alive, last_known = self._alive, self._last_known
        for token in provisional:
            alive, last_known = _follow(alive, last_known, token)
        if not alive:
            return
        heap: list[tuple[float, int, int, _Option]] = []
        pushed = 0
        parent, chance, options = ROOT, 1.0, self._options(alive[0], None)
        for number in count():
            for option in options:
                if chance * option.probability >= _LEAST_REACH:
                    pushed += 1
                    heapq.heappush(heap, (-chance * option.probability, pushed, parent, option))
            if not heap:
                return
            negative, _, parent, option = heapq.heappop(heap)
            chance = -negative
            yield Node(option.token, parent, option.source, chance)
            parent, options = number, self._options(*option.after())

    def _options(self, cursor: Cursor, pool: list[_Spelled] | None) -> list[_Option]:
        element = cursor.element
        if isinstance(element, Literal):
            return self._literal_options(cursor, element)
        if element is None:
            return []
        return self._slot_options(cursor, element, pool)

    def _literal_options(self, cursor: Cursor, literal: Literal) -> list[_Option]:
        if "grammar" not in self.sources:
            return []
        token = literal.ids[len(cursor.prefix)]
        options = [_Option(token, _SURE, "grammar", cursor)]
        if not cursor.prefix:
            for place in cursor.template.alternatives[cursor.place]:
                other = cursor.template.elements[place]
                if isinstance(other, Literal) and other.ids[0] != token:
                    entered = cursor.enter(place)
                    options.append(_Option(other.ids[0], _SURPRISE, "grammar", entered))
        return options

    def _slot_options(
        self, cursor: Cursor, slot: Slot, pool: list[_Spelled] | None
    ) -> list[_Option]:
        prefix, trie = cursor.prefix, slot.trie
        depth = len(prefix)
        if pool is None:
            pool = self._spelled(cursor, slot)
        forced = trie.forced(prefix) if "grammar" in self.sources else None
        if forced is not None:
            return [_Option(forced, _SURE, "grammar", cursor, pool)]
        mass = 1.0
        if prefix:
            others = len(trie.matches(prefix)) - len(pool)
            mass = sum(s.probability for s in pool) + _UNFORESEEN * others
        branches: dict[int, list[_Spelled]] = {}
        options: list[_Option] = []
        for spelled in pool:
            if len(spelled.ids) > depth:
                branches.setdefault(spelled.ids[depth], []).append(spelled)
            else:
                value = trie.value(prefix)
                assert value is not None
                ended = self._options(cursor.take(slot.group, value), None)
                share = spelled.probability / mass
                options += [o._replace(probability=o.probability * share) for o in ended]
        for token, branch in branches.items():
            probability = sum(s.probability for s in branch) / mass
            options.append(_Option(token, probability, branch[0].source, cursor, branch))
        return options

    def _spelled(self, cursor: Cursor, slot: Slot) -> list[_Spelled]:
        """Likely values of a slot that begin with the cursor's prefix, best first."""
        predictor, mixture = self._predictors[slot.group], self._mixtures[slot.group]
        context, parent = predictor.context(slot.group, cursor.values, self._history)
        guesses = predictor.guesses(slot.group, cursor.values, self._history)
        spellings, prefix = slot.trie.spellings, cursor.prefix
        likely = [
            c
            for c in mixture.candidates(context, parent, guesses)
            if c.value in spellings and spellings[c.value][: len(prefix)] == prefix
        ]
        pool = [_Spelled(spellings[c.value], c.probability, c.source) for c in likely]
        if prefix and "grammar" in self.sources:
            # Inside a value few others are left; after a surprise they are all there is.
            known = {c.value for c in likely}
            others = [value for value in slot.trie.matches(prefix) if value not in known]
            pool += [_Spelled(spellings[value], _UNFORESEEN, "grammar") for value in others]
        return pool

    def _learn(self, before: Cursor, after: Cursor) -> None:
        for group, (old, new) in enumerate(zip(before.values, after.values, strict=True)):
            if len(new) > len(old):
                predictor = self._predictors[group]
                context, parent = predictor.context(group, before.values, self._history)
                guesses = predictor.guesses(group, before.values, self._history)
                self._mixtures[group].learn(context, parent, guesses, new[-1])
                predictor.learn(group, before.values, self._history, new[-1])

    def _remember(self, template: Template) -> None:
        """Move a form to the front: the latest is the likeliest."""
        others = [known for known in self._templates if known != template]
        self._templates = [template, *others][:_MOST_TEMPLATES]


def _follow(
    alive: list[Cursor], last_known: Cursor | None, token: int
) -> tuple[list[Cursor], Cursor | None]:
    """Places behind `token`, likeliest first, and the last place that fitted any form."""
    alive = [c for cursor in alive if (c := cursor.advance(token)) is not None]
    if not alive and last_known is not None and (place := realign(last_known, token)) is not None:
        alive = [place]
    return alive, alive[0] if alive else last_known
