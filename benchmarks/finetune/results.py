# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The table: before, and after so many episodes; what was not measured is named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .stages import Work, read_evaluation, size

SIZES = (25, 50, 100, 200)
TAKE_OVERS = 20
_NOT = "not measured"


def row(work: Work, name: str, label: str, made_of: str = "") -> dict[str, Any]:
    """Return one row of the table; `name`: of the evaluation's folder, `made_of`: by `size`."""
    found = read_evaluation(work.folder / name)
    trained: dict[str, Any] = {}
    file = work.folder / f"checkpoint_{made_of}" / "training.json"
    if made_of and file.is_file():
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


def rows(
    work: Work, sizes: Sequence[int] = SIZES, take_overs: int = TAKE_OVERS
) -> list[dict[str, Any]]:
    """Return the rows of one cell: of all sizes, and of the rest what was measured."""
    found = [row(work, "before", "shipped")]
    rest = [("constrained_before", "shipped, constrained", "")]
    for n in sizes:
        label, both = f"tuned on {n} episodes", size(n, take_overs)
        more = f"{label} and {take_overs} take-overs"
        found.append(row(work, f"after_{n}", label, size(n)))
        rest += [
            (f"constrained_{n}", f"{label}, constrained", size(n)),
            (f"graph_{n}", f"{label}, through the ROS graph", size(n)),
            (f"graph_constrained_{n}", f"{label}, constrained, through the ROS graph", size(n)),
            (f"after_{both}", more, both),
        ]
    return found + [row(work, *named) for named in rest if (work.folder / named[0]).exists()]


def passed(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Return whether the lower bound after lies above the upper bound before."""
    first, second = (e["summary"][0]["success_95_percent"] for e in (before, after))
    return bool(second[0] > first[1])
