# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The results as a file for programs and a table for people."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .drill import Result

_HALTS = "halts"
_TIMES = (
    "halts", "lost", "answer p50 ms", "answer max ms", "last motion p50 ms", "last motion max ms",
    "zero p50 ms", "zero max ms",
)  # fmt: skip
_NOTES = (
    "Written by `python -m benchmarks.fault_drill --out`. Each drill runs the real node as a "
    "process; a recorder in a process of its own judges every command against limits that it "
    "computes from the robot's YAML by code of its own. `last motion` and `zero`: from the call of "
    "`~/halt` until the last command with motion and the first one of rest that no motion follows "
    "were received; a ramp from the tabletop profile's 0.3 m/s takes 200 ms. `idle` means nothing "
    "but the drill itself, `loaded` a process per core that multiplies matrices, `flooded` chunks "
    "at 1 kHz. `acceleration / limit`: the largest of all neighbouring commands."
)


def write(
    results: Sequence[Result], settings: Mapping[str, Any], seconds: float, load: float
) -> Path:
    """Write benchmarks/results/fault_drill.{json,md} and return the table's path.

    Args:
        results: Of all drills.
        settings: Of the command line.
        seconds: That all took.
        load: Load average of the machine before.
    """
    from benchmarks.report import write_results  # imports torch

    halts = [result for result in results if result.drill.group == _HALTS]
    rows = [
        {"load": result.drill.name.removeprefix("halts_")}
        | {name: result.figures.get(name, "-") for name in _TIMES}
        for result in halts
    ]
    tables: dict[str, Sequence[Mapping[str, Any]]] = {}
    tables["Summary"] = [_summary(results)]
    if rows:
        tables["Halts at random moments of a motion"] = rows
    for group in dict.fromkeys(result.drill.group for result in results):
        of_group = [result for result in results if result.drill.group == group]
        tables[group.replace("_", " ").capitalize()] = [_row(result) for result in of_group]
    config = dict(settings) | {
        "seconds": round(seconds),
        "load average of the machine before": round(load, 2),
    }
    return write_results("fault_drill", "Fault drill", tables, config, _NOTES)


def _summary(results: Sequence[Result]) -> dict[str, Any]:
    counts = {
        outcome: sum(result.outcome == outcome for result in results)
        for outcome in ("passed", "failed", "skipped")
    }
    return {
        "drills": len(results),
        **counts,
        "commands judged": sum(result.figures.get("commands", 0) for result in results),
        "cores": os.cpu_count(),
    }


def _row(result: Result) -> dict[str, Any]:
    figures = {k: v for k, v in result.figures.items() if result.drill.group != _HALTS}
    return {
        "drill": f"`{result.drill.name}`: {result.drill.title}",
        "outcome": result.outcome,
        "s": round(result.seconds, 1),
        "figures": ", ".join(f"{name} {value}" for name, value in figures.items()) or "-",
        "reasons": "; ".join(result.reasons).replace("\n", " ").replace("|", "/") or "-",
    }
