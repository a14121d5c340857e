# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reading answers for a robot: whatever is unusual becomes a sentence in `problems`.

Only the list after the last "action ... is" counts as actions, so that no bracket elsewhere in
the text (an echo of the instruction, say) can move the robot.
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molmoact_ros.answer.actions import ActionTokenizer
from molmoact_ros.answer.depth import START, DepthTokenizer, find_depth_spans
from molmoact_ros.answer.result import Answer
from molmoact_ros.answer.stats import ActionStats
from molmoact_ros.answer.trajectory import (
    GRID_MAX,
    list_items,
    parse_trajectories,
    remove_trajectories,
)

_CUE = re.compile(r"\baction\b[^\[\]<>.]*?\bis\b", re.IGNORECASE)
_ROW = re.compile(r"\[([^\[\]]*)\]")
_LIST_FORM = re.compile(r"(?:R|\[R(?:,R)*\])\.?")  # rows replaced by R, blanks dropped
_EXCERPT = 40  # characters of the answer that a problem quotes


@dataclass(frozen=True)
class Expectation:
    """What an answer must hold to be trusted.

    Attributes:
        rows: number of action rows; None: any number from 1.
        steered: the prompt was a steering prompt, whose answer has no depth and no trajectory.
        finished: the model ended the answer by itself.
    """

    rows: int | None = None
    steered: bool = False
    finished: bool = True


def read_strict(
    text: str,
    stats: ActionStats,
    actions: ActionTokenizer,
    depth: DepthTokenizer,
    expectation: Expectation,
) -> Answer:
    """Read an answer and list everything that is wrong with it."""
    problems: list[str] = []
    if not expectation.finished:
        problems.append(
            "The answer was cut off before the model ended it; raise max_new_tokens if it was "
            "still well-formed"
        )
    cue = _last_cue(text)
    before = text if cue is None else text[: cue.start()]
    spans = find_depth_spans(text)
    codes = _read_depth(text, spans, depth, expectation.steered, problems)
    trajectories = parse_trajectories(before)
    _check_range(trajectories, problems)
    if cue is None:
        problems.append("The answer has no phrase 'action ... is', so no list in it is an action")
        values = np.empty((0, stats.dof))
    else:
        _check_trajectories(before, trajectories, expectation.steered, problems)
        values = _read_rows(text[cue.end() :], stats, actions, expectation.rows, problems)
    return Answer(
        depth=codes,
        trajectory=trajectories[0] if trajectories else None,
        actions=values,
        problems=tuple(problems),
        depth_spans=tuple(spans),
        trajectories=tuple(trajectories),
    )


def _last_cue(text: str) -> re.Match[str] | None:
    cues = list(_CUE.finditer(text))
    return cues[-1] if cues else None


def _read_depth(
    text: str, spans: list[str], depth: DepthTokenizer, steered: bool, problems: list[str]
) -> NDArray[np.uint8] | None:
    if len(spans) == 1:
        try:
            return depth.decode(spans[0])
        except ValueError as error:
            problems.append(str(error))
    elif spans:
        problems.append(f"The answer has {len(spans)} depth maps instead of one")
    elif START in text:
        problems.append("The depth map has a start but no end")
    elif not steered:
        problems.append("The answer has no depth map")
    return None


def _check_trajectories(
    before: str, trajectories: list[NDArray[np.float64]], steered: bool, problems: list[str]
) -> None:
    """Report lists before the cue that are no trajectory, or that there is none."""
    left_over = remove_trajectories(before)
    if "[" in left_over or "]" in left_over:
        start = min(i for i in (left_over.find("["), left_over.find("]")) if i >= 0)
        excerpt = left_over[start : start + _EXCERPT]
        problems.append(f"The trajectory can not be read: {excerpt!r}")
    elif not trajectories and not steered:
        problems.append("The answer has no trajectory")


def _check_range(trajectories: list[NDArray[np.float64]], problems: list[str]) -> None:
    for points in trajectories:
        outside = np.flatnonzero(((points < 0) | (points > GRID_MAX)).any(axis=1))
        if outside.size:
            x, y = points[outside[0]]
            problems.append(
                f"Point {outside[0] + 1} of the trajectory, ({x:g}, {y:g}), is outside "
                f"0..{GRID_MAX}"
            )


def _read_rows(
    tail: str,
    stats: ActionStats,
    actions: ActionTokenizer,
    expected_rows: int | None,
    problems: list[str],
) -> NDArray[np.float64]:
    """Decode the rows after the cue; rows of the wrong length are left out and reported."""
    form = "".join(_ROW.sub("R", tail).split())
    bodies = _ROW.findall(tail)
    if not _LIST_FORM.fullmatch(form):
        problems.append(_form_problem(tail, bodies))
    values = []
    for number, body in enumerate(bodies, start=1):
        items = list_items(body) if body.strip() else []
        if len(items) != stats.dof:
            problems.append(
                f"Action row {number} has {len(items)} values instead of {stats.dof} "
                f"(norm_stats {stats.key!r})"
            )
            continue
        values.append(_read_row(number, items, actions, problems))
    if expected_rows is not None and bodies and len(values) != expected_rows:
        problems.append(f"The answer has {len(values)} usable action rows, not {expected_rows}")
    return stats.unnormalize(np.array(values, dtype=np.float64).reshape(-1, stats.dof))


def _form_problem(tail: str, bodies: list[str]) -> str:
    if tail.count("[") > tail.count("]"):
        return "The action list is cut off: a bracket is never closed"
    excerpt = tail.strip()[:_EXCERPT]
    if not bodies:
        return f"There is no action list after 'action ... is', but {excerpt!r}"
    return f"The action list has an unexpected form: {excerpt!r}"


def _read_row(
    number: int, items: list[str], actions: ActionTokenizer, problems: list[str]
) -> list[float]:
    bins = [actions.bin_of(item) for item in items]
    wrong = [index for index, bin_ in enumerate(bins) if bin_ is None]
    if wrong:
        problems.append(
            f"Action row {number} has {items[wrong[0]][:_EXCERPT]!r} at value {wrong[0] + 1}, "
            f"which is no action string ({len(wrong)} such in this row)"
        )
    return [np.nan if bin_ is None else float(actions.values[bin_]) for bin_ in bins]
