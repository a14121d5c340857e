# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers as rows of CSV files, and such files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from molmoact_ros.output_files import writing

from .run import ReplayAnswer

_STAGES = ("preprocess", "vision", "prefill", "decode", "parse", "total")
ANSWER_COLUMNS = (
    *("sequence", "stamp_s", "instruction", "valid", "problems", "trajectory_source"),
    *("trajectory_px", "confidence", "tokens", "forward_passes"),
    *(f"{stage}_s" for stage in _STAGES),
)
ACTION_COLUMNS = ("sequence", "row", "time_s")  # and the names of the actions


class Table:
    """A CSV file; its errors name it. A context manager."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        """Create the file with its header."""
        self._path = path
        self._file = path.open("w", newline="", encoding="utf-8")
        self._rows = csv.writer(self._file)
        self.write(columns)

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *_: object) -> None:
        with writing(self._path):
            self._file.close()

    def write(self, row: Sequence[object]) -> None:
        """Write a row.

        Raises:
            WriteError: It cannot be written.
        """
        with writing(self._path):
            self._rows.writerow(row)


def answer_row(answer: ReplayAnswer) -> list[object]:
    """Return the values of `ANSWER_COLUMNS`; what the model left out stays empty."""
    reasoning = answer.reasoning
    timings = (reasoning.timings.get(stage) for stage in _STAGES)
    return [
        answer.sequence,
        _seconds(answer.stamp_ns),
        answer.instruction,
        int(reasoning.valid),
        "; ".join(reasoning.problems),
        reasoning.trajectory_source,
        json.dumps(answer.trajectory_px.round(2).tolist()),
        "" if reasoning.confidence is None else f"{reasoning.confidence:.4f}",
        len(reasoning.ids),
        reasoning.forward_passes,
        *("" if seconds is None else f"{seconds:.4f}" for seconds in timings),
    ]


def action_rows(answer: ReplayAnswer, step_period: float) -> Iterator[list[object]]:
    """Yield the values of `ACTION_COLUMNS` and the actions; NaN stays empty.

    Args:
        answer: Whose actions.
        step_period: Time between two rows, s.
    """
    for number, row in enumerate(answer.reasoning.actions):
        time = answer.stamp_ns + round(number * step_period * 1e9)
        values = ["" if value != value else f"{value:.9g}" for value in row]
        yield [answer.sequence, number, _seconds(time), *values]


def _seconds(nanoseconds: int) -> str:
    """Return a time in s without rounding."""
    return f"{nanoseconds // 10**9}.{nanoseconds % 10**9:09d}"
