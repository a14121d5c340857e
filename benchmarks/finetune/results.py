# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The table: before, and after so many episodes; what was not measured is named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .stages import Work, read_evaluation

SIZES = (25, 50, 100, 200)
_NOT = "not measured"


def row(work: Work, name: str, label: str, episodes: int = 0) -> dict[str, Any]:
    """Return one row of the table; `name`: of the evaluation's folder."""
    found = read_evaluation(work.folder / name)
    trained: dict[str, Any] = {}
    file = work.folder / f"checkpoint_{episodes}" / "training.json"
    if episodes and file.is_file():
        trained = json.loads(file.read_text())
    if found is None:
        figures = dict.fromkeys(("reached", "95 % interval", "refused answers"), _NOT)
    else:
        s = found["summary"][0]
        low, high = s["success_95_percent"]
        figures = {
            "reached": f"{s['successes']} of {s['episodes']}",
            "95 % interval": f"{low:.0%} to {high:.0%}",
            "refused answers": f"{s['refused_answers']} of {s['answers']}",
        }
    return {
        "checkpoint": label,
        **figures,
        "training, min": trained.get("minutes", ""),
        "steps": trained.get("settings", {}).get("steps", ""),
    }


def rows(work: Work, sizes: Sequence[int] = SIZES) -> list[dict[str, Any]]:
    """Return the rows of one cell."""
    found = [row(work, "before", "shipped")]
    found += [row(work, f"after_{n}", f"tuned on {n} episodes", n) for n in sizes]
    found += [
        row(work, f"graph_{n}", f"tuned on {n} episodes, through the ROS graph", n)
        for n in sizes
        if (work.folder / f"graph_{n}").exists()
    ]
    return found


def passed(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Return whether the lower bound after lies above the upper bound before."""
    first, second = (e["summary"][0]["success_95_percent"] for e in (before, after))
    return bool(second[0] > first[1])
