# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From the model's answer to depth codes, a trajectory and actions (format.md 11 to 14).

Two modes:

* `strict` is for robots: only the list after the last "action ... is" counts, so that no bracket
  elsewhere in the text (such as an echo of the instruction) can move the robot, and everything
  unusual is listed in `problems`. An answer with problems must not be executed.
* `compatible` gives exactly what the reference gives, with its quirks: brackets anywhere in the
  text count, malformed rows vanish, wrong strings turn into extreme values.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from molmoact_ros.answer.actions import ActionTokenizer
from molmoact_ros.answer.depth import START, DepthTokenizer, find_depth_spans
from molmoact_ros.answer.stats import ActionStats
from molmoact_ros.answer.trajectory import (
    GRID_MAX,
    is_number,
    list_items,
    parse_trajectories,
    remove_trajectories,
)

_CUE = re.compile(r"\baction\b[^\[\]<>.]*?\bis\b", re.IGNORECASE)
_ROW = re.compile(r"\[([^\[\]]*)\]")
_LIST_FORM = re.compile(r"(?:R|\[R(?:,R)*\])\.?")  # rows replaced by R, blanks dropped
_EXCERPT = 40  # characters of the answer that a problem quotes


@dataclass(frozen=True)
class Answer:
    """Content of one answer of the model; T rows of D values, K points.

    Attributes:
        depth: uint8 [10, 10] codes, or None where there is no usable map.
        trajectory: float64 [K, 2] (x, y), 0..255 of the first image, or None. The first of
            `trajectories`: released data writes the same one for both arms.
        actions: float64 [T, D] in robot units. Strict mode writes NaN for a string that is no
            action string, so that no value can be executed that the model did not write.
        problems: Why the answer is not to be trusted, a sentence each; always empty in
            compatible mode, which has no opinion.
        trajectories: All trajectories, float64 [K, 2] each.
    """

    depth: NDArray[np.uint8] | None
    trajectory: NDArray[np.float64] | None
    actions: NDArray[np.float64]
    problems: tuple[str, ...]
    trajectories: tuple[NDArray[np.float64], ...]

    @property
    def valid(self) -> bool:
        """True when nothing was found wrong."""
        return not self.problems


def parse_answer(
    text: str,
    norm_stats: Mapping[str, Any] | None = None,
    unnorm_key: str | None = None,
    *,
    mode: Literal["strict", "compatible"] = "strict",
    action_tokenizer: ActionTokenizer | None = None,
    depth_tokenizer: DepthTokenizer | None = None,
    rows: int | None = None,
    steered: bool = False,
    finished: bool = True,
) -> Answer:
    """Read an answer.

    Args:
        text: The decoded answer, special tokens skipped.
        norm_stats: The checkpoint's action statistics.
        unnorm_key: Entry of norm_stats; None when there is only one.
        mode: "strict" for control, "compatible" for the reference's exact values.
        action_tokenizer: Codebook; `vocab_tail` when None.
        depth_tokenizer: Size of the depth grid; 10 x 10 of 128 codes when None.
        rows: Rows that the answer must have; None: any number from 1. Strict mode only.
        steered: The prompt was a steering prompt, whose answer has neither depth nor
            trajectory. Strict mode only.
        finished: The model ended the answer by itself (EOS). Strict mode only.

    Returns:
        The answer's content.

    Raises:
        ValueError: When the mode is unknown or the statistics cannot be used, with the
            reference's words for a missing or unknown key. Never because of the text.
    """
    stats = ActionStats.from_norm_stats(norm_stats, unnorm_key)
    actions = action_tokenizer or ActionTokenizer()
    depth = depth_tokenizer or DepthTokenizer()
    if mode == "strict":
        return _StrictReader(text, stats, actions, depth).read(rows, steered, finished)
    if mode == "compatible":
        return _read_compatible(text, stats, actions, depth)
    raise ValueError(f"mode is {mode!r}; known are 'strict' and 'compatible'")


class _StrictReader:
    """Reads one answer for a robot; everything unusual becomes a sentence in `problems`."""

    def __init__(
        self, text: str, stats: ActionStats, actions: ActionTokenizer, depth: DepthTokenizer
    ) -> None:
        self.problems: list[str] = []
        self._text = text
        self._stats = stats
        self._actions = actions
        self._depth = depth

    def read(self, rows: int | None, steered: bool, finished: bool) -> Answer:
        """Read the answer; arguments as of `parse_answer`."""
        text = self._text
        if not finished:
            self.problems.append(
                "The answer was cut off before the model ended it; raise max_new_tokens if it was "
                "still well-formed"
            )
        cues = list(_CUE.finditer(text))
        before = text[: cues[-1].start()] if cues else text
        spans = find_depth_spans(text)
        codes = self._read_depth(spans, steered)
        trajectories = parse_trajectories(before)
        self._check_range(trajectories)
        if cues:
            self._check_trajectories(before, trajectories, steered)
            values = self._read_rows(text[cues[-1].end() :], rows)
        else:
            self.problems.append(
                "The answer has no phrase 'action ... is', so no list in it is an action"
            )
            values = np.empty((0, self._stats.dof))
        return Answer(
            depth=codes,
            trajectory=trajectories[0] if trajectories else None,
            actions=values,
            problems=tuple(self.problems),
            trajectories=tuple(trajectories),
        )

    def _read_depth(self, spans: list[str], steered: bool) -> NDArray[np.uint8] | None:
        if len(spans) == 1:
            try:
                return self._depth.decode(spans[0])
            except ValueError as error:
                self.problems.append(str(error))
        elif spans:
            self.problems.append(f"The answer has {len(spans)} depth maps instead of one")
        elif START in self._text:
            self.problems.append("The depth map has a start but no end")
        elif not steered:
            self.problems.append("The answer has no depth map")
        return None

    def _check_range(self, trajectories: list[NDArray[np.float64]]) -> None:
        for points in trajectories:
            outside = np.flatnonzero(((points < 0) | (points > GRID_MAX)).any(axis=1))
            if outside.size:
                x, y = points[outside[0]]
                self.problems.append(
                    f"Point {outside[0] + 1} of the trajectory, ({x:g}, {y:g}), is outside "
                    f"0..{GRID_MAX}"
                )

    def _check_trajectories(
        self, before: str, trajectories: list[NDArray[np.float64]], steered: bool
    ) -> None:
        """Report lists before the cue that are no trajectory, or that there is none."""
        left_over = remove_trajectories(before)
        bracket = re.search(r"[\[\]]", left_over)
        if bracket:
            excerpt = left_over[bracket.start() : bracket.start() + _EXCERPT]
            self.problems.append(f"The trajectory cannot be read: {excerpt!r}")
        elif not trajectories and not steered:
            self.problems.append("The answer has no trajectory")

    def _read_rows(self, tail: str, expected_rows: int | None) -> NDArray[np.float64]:
        """Decode the rows after the cue; rows of the wrong length are left out and reported."""
        bodies = _ROW.findall(tail)
        if not _LIST_FORM.fullmatch("".join(_ROW.sub("R", tail).split())):
            self.problems.append(_form_problem(tail, bodies))
        values = []
        for number, body in enumerate(bodies, start=1):
            items = list_items(body) if body.strip() else []
            if len(items) == self._stats.dof:
                values.append(self._read_row(number, items))
            else:
                self.problems.append(
                    f"Action row {number} has {len(items)} values instead of {self._stats.dof} "
                    f"(norm_stats {self._stats.key!r})"
                )
        if expected_rows is not None and bodies and len(values) != expected_rows:
            self.problems.append(
                f"The answer has {len(values)} usable action rows, not {expected_rows}"
            )
        return _unnormalized(values, self._stats)

    def _read_row(self, number: int, items: list[str]) -> list[float]:
        bins = [self._actions.bin_of(item) for item in items]
        wrong = [index for index, bin_ in enumerate(bins) if bin_ is None]
        if wrong:
            self.problems.append(
                f"Action row {number} has {items[wrong[0]][:_EXCERPT]!r} at value {wrong[0] + 1}, "
                f"which is no action string ({len(wrong)} such in this row)"
            )
        return [np.nan if bin_ is None else float(self._actions.values[bin_]) for bin_ in bins]


def _form_problem(tail: str, bodies: list[str]) -> str:
    if tail.count("[") > tail.count("]"):
        return "The action list is cut off: a bracket is never closed"
    excerpt = tail.strip()[:_EXCERPT]
    if not bodies:
        return f"There is no action list after 'action ... is', but {excerpt!r}"
    return f"The action list has an unexpected form: {excerpt!r}"


def _read_compatible(
    text: str, stats: ActionStats, actions: ActionTokenizer, depth: DepthTokenizer
) -> Answer:
    """Read an answer as the reference does; nothing unusual is reported."""
    spans = find_depth_spans(text)
    trajectories = parse_trajectories(text)
    try:
        codes = depth.decode(spans[0]) if spans else None
    except ValueError:
        codes = None
    rows = []
    for body in _ROW.findall(text):  # every list of D items that looks like action strings
        items = list_items(body)
        if (
            len(items) == stats.dof
            and not all(map(is_number, items))
            and not "".join(items).isascii()
        ):
            rows.append([actions.decode_string(item) for item in items])
    return Answer(
        depth=codes,
        trajectory=trajectories[0] if trajectories else None,
        actions=_unnormalized(rows, stats),
        problems=(),
        trajectories=tuple(trajectories),
    )


def _unnormalized(rows: list[list[float]], stats: ActionStats) -> NDArray[np.float64]:
    """Return rows of bin values in robot units, float64 [T, D]; T may be 0."""
    return stats.unnormalize(np.array(rows, dtype=np.float64).reshape(-1, stats.dof))
