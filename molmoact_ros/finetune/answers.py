# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers as ids, with the label and the weight of each token.

The answers of one form differ in coordinates, depth codes and action values only, so many are
written at once. What the network is fed may differ from what it shall answer: else it copies from
given values what it has to read in the picture, and answers that run free follow their first
mistake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from tokenizers import Tokenizer

from molmoact_ros.answer import ActionTokenizer
from molmoact_ros.answer.prompts import reasoning_answer, steering_answer
from molmoact_ros.answer.trajectory import trajectory_text

from .spelling import Spelling, contexts

FIXED, COORDINATE, SOFT_VALUE, HARD_VALUE = range(4)  # kinds of tokens
DEPTH_CODES = 100
# Bins of columns that never move, and mean the same whatever they are. Each has its own, so that
# the place in a row is plain: with the middle bin for all, a still robot loses count of its values.
STILL = (64, 192, 32, 224, 96, 160)
_COORDINATE, _CODE = "7", "<DEPTH_0>"
_MARK = "\0"


@dataclass(frozen=True)
class Weights:
    """How much the tokens of an answer count.

    Attributes:
        template: Words and separators.
        code: Depth codes.
        end_point: Both coordinates of the last point; those of the others count 1.
        first_row: Moving values of the first action row; those of the others count 1.
        constant: Values that never move.
        gripper: Of the gripper.
        value: Factor of all action values; below 1 where one is several tokens.
    """

    template: float = 1.0
    code: float = 0.1
    end_point: float = 2.0
    first_row: float = 3.0
    constant: float = 0.5
    gripper: float = 3.0
    value: float = 1.0

    def of_values(self, rows: int, moving: np.ndarray) -> np.ndarray:
        """Return the weight of each action value `[rows * D]`; `moving` `[D]`, the gripper last."""
        weights = np.full((rows, len(moving)), self.constant, dtype=np.float32)
        weights[:, moving] = 1.0
        weights[:, -1] = self.gripper
        weights[:1, moving] = self.first_row
        return self.value * weights.ravel()


@dataclass(frozen=True)
class Form:
    """The fixed part of answers; V action values.

    Attributes:
        head: int64 ids before the actions.
        coordinates: positions of the coordinates in `head`, x and y in turn.
        codes: positions of the depth codes in `head`.
        gaps: V times the ids between the value before and this one.
        contexts: int64 `[V]` into the spelling.
        end: ids behind the last value.
        rows: Number of action rows.
    """

    head: np.ndarray
    coordinates: np.ndarray
    codes: np.ndarray
    gaps: tuple[np.ndarray, ...]
    contexts: np.ndarray
    end: np.ndarray
    rows: int


@dataclass(frozen=True)
class Content:
    """What N answers of a form contain, with any leading shape instead of N.

    Attributes:
        coordinates: int64 `[N, 2 K]`, 0..255; K may be 0.
        codes: int64 `[N, 100]`; not read by forms without depth.
        bins: int64 `[N, V]` action values.
    """

    coordinates: np.ndarray
    codes: np.ndarray
    bins: np.ndarray


@dataclass(frozen=True)
class Answers:
    """N answers, padded at their ends to the longest; any leading shape instead of N.

    Attributes:
        ids: int64 `[N, La]`.
        kind: int64 `[N, La]`, `FIXED`, `COORDINATE`, `SOFT_VALUE` or `HARD_VALUE`.
        label: int64 `[N, La]` the coordinate or bin that is asked for; 0 at fixed tokens.
        node: int64 `[N, La]` node of the spelling in which a value's token is chosen, else 0.
        weight: float32 `[N, La]`, 0 at padding.
        starts: int64 `[N, V]` first token of each action value.
    """

    ids: np.ndarray
    kind: np.ndarray
    label: np.ndarray
    node: np.ndarray
    weight: np.ndarray
    starts: np.ndarray

    @staticmethod
    def join(parts: Sequence[Answers], padding: int) -> Answers:
        """Put answers `[N, La]` of several forms behind each other; `starts` stays empty."""
        longest = max(part.ids.shape[1] for part in parts)
        joined = []
        for field in fields(Answers)[:-1]:
            fill = padding if field.name == "ids" else 0
            rows = (getattr(part, field.name) for part in parts)
            joined.append(
                np.concatenate(
                    [
                        np.pad(a, ((0, 0), (0, longest - a.shape[1])), constant_values=fill)
                        for a in rows
                    ]
                )
            )
        ids, kind, label, node, weight = joined
        starts = np.zeros((len(ids), 0), dtype=np.int64)
        return Answers(ids, kind, label, node, weight, starts)


class Writer:
    """Writes answers with the tokens of a checkpoint.

    Attributes:
        tokenizer: Of the checkpoint.
        codebook: Of its action values.
        eos: Id of the end of text.
        numbers: int64 `[256]` ids of the numbers; None: they are several tokens each.
        depth: int64 `[128]` ids of the depth codes.
        spelling: Of the action values.
    """

    def __init__(self, tokenizer: Tokenizer, codebook: str, eos: int) -> None:
        """Look up the ids."""
        self.tokenizer, self.codebook, self.eos = tokenizer, codebook, eos
        ids = [self.encode(str(number)) for number in range(256)]
        single = max(map(len, ids)) == 1
        self.numbers = np.array([token[0] for token in ids]) if single else None
        self.depth = np.array([tokenizer.token_to_id(f"<DEPTH_{code}>") for code in range(128)])
        self.spelling = Spelling(tokenizer, codebook)
        self._slot = ActionTokenizer(codebook).strings[0]

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def reasoning(self, points: int, rows: int, columns: int, images: int) -> Form:
        """Return the form of answers with depth and a trajectory of some points (A1, A2).

        Where numbers are several tokens, use `reasoning_of`.
        """
        trajectory = f"[{', '.join([f'[{_COORDINATE}, {_COORDINATE}]'] * points)}]"
        return self.form(_before(_CODE * DEPTH_CODES, trajectory, images), rows, columns)

    def reasoning_of(self, points: np.ndarray, rows: int, columns: int, images: int) -> Form:
        """Return the form of answers with depth and a given trajectory, points `[K, 2]`."""
        before = _before(_CODE * DEPTH_CODES, trajectory_text(points), images)
        return self.form(before, rows, columns)

    def steering(self, rows: int, columns: int) -> Form:
        """Return the form of answers to a drawn line: the actions alone (A4)."""
        return self.form(" " + steering_answer(_MARK).partition(_MARK)[0], rows, columns)

    def form(
        self,
        before: str,
        rows: int,
        columns: int,
        chunk: bool | None = None,
        whole: bool = True,
    ) -> Form:
        """Return a form.

        Args:
            before: The answer up to the action list, with any coordinates and depth codes.
            rows: Action rows; 0: the answer is `before` alone.
            columns: Values of a row.
            chunk: Whether the rows are a list of rows; None: where there are several.
            whole: Whether the list and the answer end behind them.
        """
        chunk = rows > 1 if chunk is None else chunk
        end = [self.eos] if whole else []
        gaps: list[np.ndarray] = []
        around = np.zeros(0, dtype=np.int64)
        if rows and not self.spelling.single:
            head = self.encode(before.rstrip())
            around = contexts(rows, columns, chunk, whole)
            gaps = [np.zeros(0, dtype=np.int64)] * len(around)
        elif rows:
            row = f"[{', '.join([self._slot] * columns)}]"
            text = f"[{', '.join([row] * rows)}" if chunk else row
            text += ("]." if chunk else ".") if whole else ", ["
            ids = np.array(self.encode(before + text))
            slots = np.flatnonzero(ids == self.spelling.tokens[0, 0, 0])
            head = list(ids[: slots[0]])
            around = np.zeros(len(slots), dtype=np.int64)
            ends = [slots[0], *(slots[:-1] + 1)]
            gaps = [ids[a:b] for a, b in zip(ends, slots, strict=True)]
            end = [*ids[slots[-1] + 1 :], *end]
        else:
            head = self.encode(before)
        places = np.array(head, dtype=np.int64)
        numbers = np.zeros(0, dtype=np.int64)
        if self.numbers is not None:
            numbers = np.flatnonzero(np.isin(places, self.numbers))
        codes = np.flatnonzero(places == self.depth[0])
        return Form(places, numbers, codes, tuple(gaps), around, np.array(end, np.int64), rows)

    def write(
        self, form: Form, fed: Content, wanted: Content, moving: np.ndarray, weights: Weights
    ) -> Answers:
        """Write answers.

        Args:
            form: Of all of them.
            fed: What their ids hold.
            wanted: What they are labelled with, of the same shapes.
            moving: bool `[D]`, the columns whose values have neighbours that are nearly as good.
            weights: Of the tokens.
        """
        shape, values = fed.bins.shape[:-1], len(form.contexts)
        lengths = self.spelling.lengths[form.contexts, fed.bins]
        steps = lengths + np.array([len(gap) for gap in form.gaps], dtype=np.int64)
        ends = len(form.head) + steps.cumsum(axis=-1)
        starts = ends - lengths
        last = ends[..., -1] if values else np.full(shape, len(form.head))
        total = int(last.max()) + len(form.end)
        ids = np.full((*shape, total), self.eos)
        kind, label, node = (np.zeros(ids.shape, dtype=np.int64) for _ in range(3))
        weight = np.full(ids.shape, weights.template, dtype=np.float32)
        ids[..., : len(form.head)] = form.head
        self._fill_head(form, fed, wanted, weights, (ids, kind, label, weight))
        for number, gap in enumerate(form.gaps):
            for offset, token in enumerate(gap):
                before = starts[..., number, None] - len(gap) + offset
                np.put_along_axis(ids, before, token, axis=-1)
        soft = np.where(moving, SOFT_VALUE, HARD_VALUE)
        of_values = weights.of_values(form.rows, moving)
        for depth in range(self.spelling.tokens.shape[-1] if values else 0):
            place = np.nonzero(depth < lengths)
            value = place[-1]
            at = (*place[:-1], starts[place] + depth)
            chosen = (form.contexts[value], fed.bins[place], depth)
            ids[at] = self.spelling.tokens[chosen]
            node[at] = self.spelling.nodes[chosen]
            label[at] = wanted.bins[place]
            kind[at] = soft[value % len(moving)]
            weight[at] = of_values[value]
        for offset, token in enumerate(form.end):
            np.put_along_axis(ids, last[..., None] + offset, token, axis=-1)
        weight[np.arange(total) >= last[..., None] + len(form.end)] = 0.0
        return Answers(ids, kind, label, node, weight, starts)

    def _fill_head(
        self,
        form: Form,
        fed: Content,
        wanted: Content,
        weights: Weights,
        arrays: tuple[np.ndarray, ...],
    ) -> None:
        ids, kind, label, weight = arrays
        if len(form.coordinates):
            assert self.numbers is not None
            ids[..., form.coordinates] = self.numbers[fed.coordinates]
            label[..., form.coordinates] = wanted.coordinates
            kind[..., form.coordinates] = COORDINATE
            weight[..., form.coordinates] = 1.0
            weight[..., form.coordinates[-2:]] = weights.end_point
        if len(form.codes):
            ids[..., form.codes] = self.depth[fed.codes]
            weight[..., form.codes] = weights.code


def _before(depth: str, trajectory: str, images: int) -> str:
    """Return an answer up to its action list."""
    answer = reasoning_answer(f"<DEPTH_START>{depth}<DEPTH_END>", trajectory, _MARK, images)
    return " " + answer.partition(_MARK)[0]
