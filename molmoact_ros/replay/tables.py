# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers as CSV: one line per inference, and one line per row of actions."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from molmoact_ros.output_files import writing

from .run import Answer

_STAGES = ("preprocess", "vision", "prefill", "decode", "parse", "total")


class Tables:
    """Writes ``answers.csv`` and ``actions.csv``."""

    def __init__(self, folder: Path, action_names: Sequence[str], step_period: float) -> None:
        """Create the files.

        Args:
            folder: Exists.
            action_names: One per column of the actions.
            step_period: Time between two rows, s.
        """
        self._step_period = step_period
        self._answers = _Table(
            folder / "answers.csv",
            ["sequence", "stamp_s", "instruction", "valid", "problems", "trajectory_source"]
            + ["trajectory_px", "confidence", "tokens", "forward_passes"]
            + [f"{stage}_s" for stage in _STAGES],
        )
        self._actions = _Table(
            folder / "actions.csv", ["sequence", "row", "time_s", *action_names]
        )

    def __enter__(self) -> Tables:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for table in (self._answers, self._actions):
            table.close()

    def write(self, answer: Answer) -> None:
        """Write one answer; what the model left out stays empty."""
        reasoning = answer.reasoning
        timings = (reasoning.timings.get(stage) for stage in _STAGES)
        self._answers.write(
            [
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
        )
        for number, row in enumerate(reasoning.actions):
            time = answer.stamp_ns + round(number * self._step_period * 1e9)
            values = ["" if value != value else f"{value:.9g}" for value in row]  # NaN: empty
            self._actions.write([answer.sequence, number, _seconds(time), *values])


class _Table:
    """One file; its errors name it."""

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self._path = path
        self._file = path.open("w", newline="", encoding="utf-8")
        self._rows = csv.writer(self._file)
        self.write(header)

    def write(self, row: Sequence[object]) -> None:
        with writing(self._path):
            self._rows.writerow(row)

    def close(self) -> None:
        with writing(self._path):
            self._file.close()


def _seconds(nanoseconds: int) -> str:
    """Write a time in s without rounding."""
    return f"{nanoseconds // 10**9}.{nanoseconds % 10**9:09d}"
