# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Writes findings as JSON, as lines and as a chart.

The JSON object, version 1:

    schema: "molmoact_ros/selfcheck"
    version: 1; grows with every change that a reader of the file would notice
    subject: what was checked, as "random weights of 7b-d"
    settings: {device, dtype, quantization (or null)}
    software: version of this package
    seconds: that all checks took
    wrong: names of the checks that found something wrong
    checks: list of {name, verdict ("ok", "WRONG" or "not measured"), text, values}; units are part
        of the names in values: seconds, bytes, bytes_per_second; all else are counts and shares

It holds no path, name or address of the machine.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from molmoact_ros.output_files import write_text, writing

from .findings import Finding, Verdict

SCHEMA, VERSION = "molmoact_ros/selfcheck", 1
_WIDTH = 100


def report_content(
    findings: Sequence[Finding],
    subject: str,
    settings: Mapping[str, str | None],
    software: str,
    seconds: float,
) -> dict[str, Any]:
    """Return the JSON object.

    Args:
        findings: Of all checks.
        subject: What was checked.
        settings: Device, dtype and quantization.
        software: Version of this package.
        seconds: That the checks took.
    """
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "subject": subject,
        "settings": dict(settings),
        "software": software,
        "seconds": round(seconds, 1),
        "wrong": [finding.name for finding in findings if finding.verdict is Verdict.WRONG],
        "checks": [
            {
                "name": finding.name,
                "verdict": finding.verdict.value,
                "text": finding.text,
                "values": dict(finding.values),
            }
            for finding in findings
        ],
    }


def report_line(finding: Finding) -> str:
    """Return a finding as a line, or several of at most 100 columns."""
    start = f"{finding.verdict.value:<13} {finding.name:<10} "
    return textwrap.fill(
        finding.text,
        _WIDTH,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_on_hyphens=False,
    )


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write the JSON object.

    Raises:
        WriteError: The file cannot be written.
    """
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def write_chart(path: Path, content: Mapping[str, Any]) -> str:
    """Draw milliseconds per pass over the slots of its block, and the bound by bandwidth; PNG.

    Returns:
        Why there is no chart; empty when there is one.

    Raises:
        WriteError: The file cannot be written.
    """
    values: Mapping[str, Any] = next(
        (check["values"] for check in content["checks"] if check["name"] == "passes"), {}
    )
    if not values:
        return "the chart is left out: passes were not measured"
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return "the chart is left out: it needs matplotlib (pip install matplotlib)"
    figure = Figure(figsize=(7, 3.6), layout="tight")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    slots = [int(size) for size in values["seconds"]]
    axes.plot(
        slots, [1e3 * each for each in values["seconds"].values()], marker="o", label="measured"
    )
    if "bound_seconds" in values:
        bound = 1e3 * values["bound_seconds"]
        axes.axhline(bound, linestyle="--", color="grey", label="weights at a copy's bandwidth")
    axes.set(xlabel="slots of the block", ylabel="ms per pass", xticks=slots)
    axes.set_ylim(bottom=0)
    settings = {key: value for key, value in content["settings"].items() if value}
    axes.set_title(f"{content['subject']}: {', '.join(settings.values())}", fontsize=9)
    axes.legend(fontsize=8)
    with writing(path):
        figure.savefig(path, dpi=120)
    return ""
