# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the next depth code, coordinate or action bin may be, from what is already known.

Known are the values of this answer so far, and those of the answers before. Names of the sources:
"time" (earlier answers), "row" (values just decoded in this answer), and "order" for the
neighbours of any such guess.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import isqrt
from typing import Protocol

from molmoact_ros.decoding.drafts.template import BIN, DEPTH, NUMBER, Values

from .answer_history import History
from .expert_weights import Expert, Guess
from .habits import Habits


class Predictor(Protocol):
    """Guesses for one kind of value; `experts` names them in the order of `guesses`."""

    experts: tuple[Expert, ...]

    def context(self, group: int, values: Values, history: History) -> tuple[Hashable, Hashable]:
        """Return what the guesses' worth depends on: a fine context and a coarser one above it."""

    def guesses(self, group: int, values: Values, history: History) -> list[Guess]:
        """Return the experts' guesses of the next value of `group`."""

    def learn(self, group: int, values: Values, history: History, value: int) -> None:
        """Take note of the value that came."""


def _at(values: Sequence[int], index: int) -> int | None:
    return values[index] if 0 <= index < len(values) else None


def _clipped(guesses: Sequence[int | None]) -> list[Guess]:
    """Return the experts' guesses within 0..255."""
    return [(n, min(255, max(0, g)), 1.0) for n, g in enumerate(guesses) if g is not None]


class DepthPredictor:
    """Depth codes: names without order, that stay where nothing moved.

    Codes that change are foreseen from what came earlier in this cell, after the same code, and
    beside the same neighbours.
    """

    experts: tuple[Expert, ...] = (
        Expert("time", 0.60, 0.85),  # the same cell of the previous answer
        Expert("time", 0.05, 0.30),  # the same cell one answer earlier: codes flicker
        Expert("row", 0.08, 0.30),  # the cell to the left
        Expert("row", 0.08, 0.30),  # the cell above
        Expert("time", 0.04, 0.20),  # neighbours of the previous answer: something moved here
        Expert("time", 0.04, 0.20),
        Expert("time", 0.03, 0.20),
        Expert("time", 0.03, 0.20),
    )

    def __init__(self) -> None:
        self._habits = Habits(len(self.experts), kinds=4)
        self.experts += self._habits.experts

    def context(self, group: int, values: Values, history: History) -> tuple[Hashable, Hashable]:
        """Count changed neighbours, and whether this cell changed before: changes cluster."""
        now, last = values[DEPTH], history.last[DEPTH]
        cell, width = len(now), _width(history)
        changed = sum(
            now[c] != last[c]
            for c in (cell - 1, cell - width - 1, cell - width, cell - width + 1)
            if 0 <= c < min(cell, len(last))
        )
        flickered = _at(last, cell) != _at(history.before[DEPTH], cell)
        return (min(changed, 3), flickered), min(changed, 3)

    def guesses(self, group: int, values: Values, history: History) -> list[Guess]:
        """See `experts`."""
        now, last, before = values[DEPTH], history.last[DEPTH], history.before[DEPTH]
        cell, width = len(now), _width(history)
        column = cell % width
        single = (
            _at(last, cell),
            _at(before, cell),
            _at(now, cell - 1) if column else None,
            _at(now, cell - width),
            _at(last, cell - 1) if column else None,
            _at(last, cell + 1) if column < width - 1 else None,
            _at(last, cell - width),
            _at(last, cell + width),
        )
        guesses = [(n, code, 1.0) for n, code in enumerate(single) if code is not None]
        return guesses + self._habits.guesses(self._surroundings(now, history))

    def learn(self, group: int, values: Values, history: History, value: int) -> None:
        """See Predictor."""
        self._habits.learn(self._surroundings(values[DEPTH], history), value)

    def _surroundings(self, now: Sequence[int], history: History) -> tuple[Hashable, ...]:
        cell, width = len(now), _width(history)
        left = _at(now, cell - 1) if cell % width else None
        above = _at(now, cell - width)
        return cell, _at(history.last[DEPTH], cell), (cell, above), (left, above)


class CoordinatePredictor:
    """Trajectory numbers x0 y0 x1 y1 ...: points that glide along the path between answers."""

    experts: tuple[Expert, ...] = (
        Expert("time", 0.30, 0.30, 8),  # the same number of the previous answer
        Expert("time", 0.10, 0.25, 8),  # moving on as it did between the last two answers
        Expert("time", 0.30, 0.30, 8),  # moved by what the point before moved
        Expert("time", 0.20, 0.30, 8),  # moved by what the start moved, less towards the end
        Expert("row", 0.05, 0.10, 8),  # the point before in this answer
        Expert("row", 0.05, 0.15, 8),  # the two points before, extrapolated
        Expert("row", 0.90, 0.95, 8),  # the first trajectory, written a second time
    )

    def context(self, group: int, values: Values, history: History) -> tuple[Hashable, Hashable]:
        """Which point, and whether the coordinate before moved."""
        now, last = values[group], history.last[group]
        index = len(now)
        moved = 0 < index <= len(last) and now[-1] != last[index - 1]
        return (min(index // 2, 4), moved), moved

    def guesses(self, group: int, values: Values, history: History) -> list[Guess]:
        """See `experts`."""
        now, last, before = values[group], history.last[group], history.before[group]
        index = len(now)
        hold, earlier = _at(last, index), _at(before, index)
        guesses: list[int | None] = [hold, None, None, None, _at(now, index - 2), None, None]
        if hold is not None:
            if earlier is not None:
                guesses[1] = 2 * hold - earlier
            if index >= 2:
                points, point = len(last) // 2, index // 2
                guesses[2] = hold + now[index - 2] - last[index - 2]
                shift = now[index % 2] - last[index % 2]
                guesses[3] = hold + round(shift * (1 - point / max(1, points - 1)))
        if index >= 4:
            guesses[5] = 2 * now[index - 2] - now[index - 4]
        if group > NUMBER:
            guesses[6] = _at(values[NUMBER], index)
        return _clipped(guesses)

    def learn(self, group: int, values: Values, history: History, value: int) -> None:
        """See Predictor; coordinates have no habits."""


class BinPredictor:
    """Action bins, row by row: rows of a chunk are alike, and the previous chunk overlaps."""

    experts: tuple[Expert, ...] = (
        Expert("time", 0.25, 0.45, 10),  # the previous chunk, shifted by the executed steps
        Expert("row", 0.40, 0.50, 10),  # the row just decoded
        Expert("row", 0.10, 0.40, 10),  # the two rows before, extrapolated
        Expert("time", 0.20, 0.45, 10),  # the shifted chunk, moved as the row before moved
        Expert("time", 0.05, 0.30, 10),  # the previous chunk at the same row
    )

    def __init__(self) -> None:
        self._habits = Habits(len(self.experts), kinds=4)
        self.experts += self._habits.experts

    def context(self, group: int, values: Values, history: History) -> tuple[Hashable, Hashable]:
        """Which column, first row or not, steady or not, and whether this row already moved."""
        now, columns = values[BIN], history.columns
        row, column = divmod(len(now), columns)
        start = row * columns
        if row:
            moved = any(now[i] != now[i - columns] for i in range(start, len(now)))
            steady = row == 1 or now[-columns] == _at(now, len(now) - 2 * columns)
        else:
            first = history.executed * columns
            moved = any(now[i] != _at(history.last[BIN], first + i) for i in range(len(now)))
            steady = False
        coarse = (row > 0, moved, steady)
        return (column, *coarse), coarse

    def guesses(self, group: int, values: Values, history: History) -> list[Guess]:
        """See `experts`."""
        now, columns = values[BIN], history.columns
        index = len(now)
        shifted = self._shifted(index, history)
        above = _at(now, index - columns)
        guesses: list[int | None] = [shifted, above, None, None, _at(history.last[BIN], index)]
        if index >= 2 * columns:
            guesses[2] = 2 * now[index - columns] - now[index - 2 * columns]
        if above is not None and shifted is not None:
            old_above = self._shifted(index - columns, history)
            guesses[3] = shifted + above - old_above if old_above is not None else None
        return _clipped(guesses) + self._habits.guesses(self._surroundings(now, history))

    def learn(self, group: int, values: Values, history: History, value: int) -> None:
        """See Predictor."""
        self._habits.learn(self._surroundings(values[BIN], history), value)

    def _surroundings(self, now: Sequence[int], history: History) -> tuple[Hashable, ...]:
        index, columns = len(now), history.columns
        column = index % columns
        above, two = _at(now, index - columns), _at(now, index - 2 * columns)
        shifted = self._shifted(index, history)
        return (column, above), (column, above, two), (column, shifted), (column, shifted, above)

    def _shifted(self, index: int, history: History) -> int | None:
        """Return the previous chunk's value for the same moment; its last row goes on for ever."""
        last, columns = history.last[BIN], history.columns
        rows = len(last) // columns
        if not rows:
            return None
        row, column = divmod(index, columns)
        return last[min(row + history.executed, rows - 1) * columns + column]


def _width(history: History) -> int:
    """Cells in a row of the depth map."""
    return isqrt(len(history.last[DEPTH])) or 10
