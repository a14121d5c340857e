# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What was measured: one record per episode, and the table that sums them up."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from molmoact_ros.sim.tasks import NEAR

_Z = 1.959964  # of a two-sided 95 % interval


@dataclass(frozen=True)
class EpisodeResult:
    """One episode.

    Attributes:
        series: policy, swapped, expert ...
        task: Kind of the task.
        seed: Of the scene.
        variation: Look of the scene.
        instruction: What the policy was instructed to do.
        success: Whether the task, or the line of a steered episode, was followed to its end.
        named: Colour of the block that success is about.
        nearest: Colour of the block that is nearest to the gripper at the end.
        start_distance: m from the gripper to the named block at the start.
        final_distance: m likewise at the end.
        line_error: Units of 0..255 of the picture between gripper and end of the drawn line at
            the end; None without one.
        seconds: From the beginning to success or to the time limit.
        path_length: m that the gripper moved.
        answers: Inferences.
        refused_answers: Those among them that were not trusted.
        passes: Mean forward passes of an inference, NaN without one.
        answer_seconds: Mean duration of an inference, NaN without one.
        halted: Why the executor has latched a halt; empty: it has not.
    """

    series: str
    task: str
    seed: int
    variation: str
    instruction: str
    success: bool
    named: str
    nearest: str
    start_distance: float
    final_distance: float
    line_error: float | None
    seconds: float
    path_length: float
    answers: int
    refused_answers: int
    passes: float
    answer_seconds: float
    halted: str = ""


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share; (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    share, z2 = successes / trials, _Z * _Z
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    spread = math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    half = _Z * spread / (1 + z2 / trials)
    # Rounding must not put the share itself outside.
    return min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half))


def summary(episodes: Sequence[EpisodeResult]) -> dict[str, Any]:
    """Return the figures of episodes of one task and series."""
    count = len(episodes)
    successes = sum(e.success for e in episodes)
    errors = [e.line_error for e in episodes if e.line_error is not None]
    figures = {
        "episodes": count,
        "successes": successes,
        "success": successes / count,
        "success_95_percent": list(wilson_interval(successes, count)),
        "named_block_is_nearest": sum(e.nearest == e.named for e in episodes) / count,
        "within_5_cm_of_named_block": sum(e.final_distance < NEAR for e in episodes) / count,
        "final_distance_median_m": _median([e.final_distance for e in episodes]),
        "seconds_median": _median([e.seconds for e in episodes if e.success]),
        "path_length_median_m": _median([e.path_length for e in episodes]),
        "answers": sum(e.answers for e in episodes),
        "answers_median": _median([float(e.answers) for e in episodes if e.success]),
        "refused_answers": sum(e.refused_answers for e in episodes),
        "passes_per_answer": _median([e.passes for e in episodes]),
        "answer_seconds": _median([e.answer_seconds for e in episodes]),
        "halted": sum(bool(e.halted) for e in episodes),
    }
    if errors:
        figures["line_error_median"] = _median(errors)
    return figures


def grouped(episodes: Iterable[EpisodeResult]) -> dict[tuple[str, str], list[EpisodeResult]]:
    """Return the episodes by (task, series), in the order in which these came first."""
    groups: dict[tuple[str, str], list[EpisodeResult]] = {}
    for episode in episodes:
        groups.setdefault((episode.task, episode.series), []).append(episode)
    return groups


def as_json(settings: Mapping[str, Any], episodes: Sequence[EpisodeResult]) -> dict[str, Any]:
    """Return all that was measured as JSON values; NaN becomes null."""
    return {
        "settings": dict(settings),
        "summary": [
            {"task": task, "series": series, **without_nan(summary(runs))}
            for (task, series), runs in grouped(episodes).items()
        ],
        "episodes": [without_nan(dataclasses.asdict(episode)) for episode in episodes],
    }


def as_markdown(episodes: Iterable[EpisodeResult]) -> str:
    """Return the table for a person."""
    lines = [
        "| task | series | success | 95 % interval | named block nearest | final distance"
        " | time | path | answers | refused | s per answer | passes |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(task, name, summary(runs)) for (task, name), runs in grouped(episodes).items()]
    return "\n".join(lines)


def _row(task: str, series: str, s: Mapping[str, Any]) -> str:
    low, high = s["success_95_percent"]
    distance = f"{100 * s['final_distance_median_m']:.1f} cm"
    if "line_error_median" in s:
        distance += f", {s['line_error_median']:.0f} of 255 from the line's end"
    cells = (
        task,
        series,
        f"{s['successes']} of {s['episodes']}",
        f"{low:.0%} to {high:.0%}",
        f"{s['named_block_is_nearest']:.0%}",
        distance,
        _shown(s["seconds_median"], 1, " s"),
        f"{100 * s['path_length_median_m']:.0f} cm",
        _shown(s["answers_median"], 0),
        f"{s['refused_answers']} of {s['answers']}",
        _shown(s["answer_seconds"], 2),
        _shown(s["passes_per_answer"], 1),
    )
    return f"| {' | '.join(cells)} |"


def without_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with None in the place of NaN, which JSON does not have."""
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in values.items()
    }


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.median(known)) if known else math.nan


def _shown(value: float, digits: int, unit: str = "") -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}{unit}"
