# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What was measured: one record per episode, and the table that sums them up."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_Z = 1.959964  # of a two-sided 95 % interval


@dataclass(frozen=True)
class EpisodeResult:
    """One episode.

    Attributes:
        seed: Of the scene.
        instruction: What was asked for.
        reached: The gripper came to rest within 5 cm of the named block.
        start_distance: m from gripper to the named block at the start.
        final_distance: m likewise at the end.
        nearest: Colour of the block that is nearest at the end.
        named: Colour of the block that was named.
        seconds: From the instruction to the end.
        path_length: m that the gripper moved.
        answers: Inferences.
        refused_answers: Those among them that the strict parser did not trust.
        passes: Mean forward passes of an inference, NaN without one.
        inference_seconds: Mean duration of an inference, NaN without one.
    """

    seed: int
    instruction: str
    reached: bool
    start_distance: float
    final_distance: float
    nearest: str
    named: str
    seconds: float
    path_length: float
    answers: int
    refused_answers: int
    passes: float
    inference_seconds: float


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
    """Return the figures of one series of episodes."""
    reached = sum(episode.reached for episode in episodes)
    followed = sum(episode.nearest == episode.named for episode in episodes)
    low, high = wilson_interval(reached, len(episodes))
    return {
        "episodes": len(episodes),
        "success": reached / len(episodes),
        "success_95_percent": [low, high],
        "named_block_is_nearest": followed / len(episodes),
        "final_distance_median_m": _median([e.final_distance for e in episodes]),
        "seconds_to_reach_median": _median([e.seconds for e in episodes if e.reached]),
        "path_length_median_m": _median([e.path_length for e in episodes]),
        "answers": sum(e.answers for e in episodes),
        "refused_answers": sum(e.refused_answers for e in episodes),
        "passes_per_answer": _median([e.passes for e in episodes]),
        "inference_seconds": _median([e.inference_seconds for e in episodes]),
    }


def as_json(
    settings: Mapping[str, Any], series: Mapping[str, Sequence[EpisodeResult]]
) -> dict[str, Any]:
    """Return all that was measured as JSON values; NaN becomes null."""
    return {
        "settings": dict(settings),
        "summary": {name: _without_nan(summary(runs)) for name, runs in series.items()},
        "episodes": {
            name: [_without_nan(dataclasses.asdict(run)) for run in runs]
            for name, runs in series.items()
        },
    }


def as_markdown(series: Mapping[str, Sequence[EpisodeResult]]) -> str:
    """Return the table for a person."""
    lines = [
        "| series | episodes | reached | 95 % interval | named block nearest"
        " | final distance, median | time to reach, median | answers refused"
        " | passes per answer |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, runs in series.items():
        s = summary(runs)
        low, high = s["success_95_percent"]
        lines.append(
            f"| {name} | {s['episodes']} | {s['success']:.0%} | {low:.0%} to {high:.0%}"
            f" | {s['named_block_is_nearest']:.0%} | {100 * s['final_distance_median_m']:.1f} cm"
            f" | {_shown(s['seconds_to_reach_median'], ' s')}"
            f" | {s['refused_answers']} of {s['answers']} | {_shown(s['passes_per_answer'])} |"
        )
    return "\n".join(lines)


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.median(known)) if known else math.nan


def _shown(value: float, unit: str = "") -> str:
    return "-" if math.isnan(value) else f"{value:.1f}{unit}"


def _without_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in values.items()
    }
