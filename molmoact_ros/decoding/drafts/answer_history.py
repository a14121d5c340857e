# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a draft remembers of earlier answers."""

from __future__ import annotations

from collections.abc import Sequence

from molmoact_ros.decoding.drafts.template import DEPTH, NO_VALUES, Values

_FORGET = 0.97  # of a cell's counts, per answer


class History:
    """Values of earlier answers, and habits of the depth map.

    Attributes:
        last: values of the previous answer; a group that it lacked keeps its older values.
        before: values of the answer before that.
        executed: steps of the previous chunk that the robot made until the next image.
        columns: values in a row of actions.
        teacher: depth codes of the coming image by other means, row-major, or empty.
        changes: depth code -> the code that took its place when it last changed.
    """

    def __init__(self, columns: int) -> None:
        self.last = NO_VALUES
        self.before = NO_VALUES
        self.executed = 0
        self.columns = columns
        self.teacher: Sequence[int] = ()
        self.changes: dict[int, int] = {}
        self._counts: list[dict[int, float]] = []
        self._usual: list[list[int]] = []

    def record(self, values: Values) -> None:
        """Take note of an answer, whole or cut."""
        for old, new in zip(self.last[DEPTH], values[DEPTH], strict=False):
            if old != new:
                self.changes[old] = new
        for cell, code in enumerate(values[DEPTH]):
            self._count(cell, code)
        merged = tuple(new or old for new, old in zip(values, self.last, strict=True))
        self.before, self.last = self.last, merged

    def usual_code(self, cell: int, rank: int) -> int | None:
        """The most frequent code of a cell (rank 0), or the second (rank 1).

        What the arm hid comes back when it leaves: the background is the usual code.
        """
        if cell >= len(self._usual) or rank >= len(self._usual[cell]):
            return None
        return self._usual[cell][rank]

    def _count(self, cell: int, code: int) -> None:
        if cell == len(self._counts):
            self._counts.append({})
            self._usual.append([])
        counts = {known: n * _FORGET for known, n in self._counts[cell].items() if n > 0.05}
        counts[code] = counts.get(code, 0.0) + 1.0
        self._counts[cell] = counts
        self._usual[cell] = sorted(counts, key=lambda known: -counts[known])[:2]
