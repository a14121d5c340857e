# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Writes the results of a benchmark as JSON and as a Markdown table."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

RESULTS = Path(__file__).parent / "results"
Row = Mapping[str, Any]


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, device and versions."""
    about: dict[str, Any] = {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    if torch.cuda.is_available():
        about["gpu"] = torch.cuda.get_device_name()
        about["cuda"] = torch.version.cuda
    return about


def write_results(
    name: str,
    title: str,
    tables: Mapping[str, Sequence[Row]],
    config: Mapping[str, Any],
    notes: str = "",
) -> Path:
    """Write results/{name}.json and results/{name}.md.

    Args:
        name: of the files.
        title: heading of the Markdown file.
        tables: caption -> rows with equal keys.
        config: what was run.
        notes: a paragraph on how to read the tables.

    Returns:
        The Markdown file.
    """
    RESULTS.mkdir(exist_ok=True)
    content = {"title": title, "machine": machine(), "config": dict(config), "tables": dict(tables)}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
    parts = [f"# {title}", notes] if notes else [f"# {title}"]
    for caption, rows in tables.items():
        parts += [f"## {caption}", markdown_table(rows)]
    about = {k: v for k, v in {**machine(), **config}.items() if not isinstance(v, (dict, list))}
    parts.append("Run with: " + "; ".join(f"{key} {value}" for key, value in about.items()) + ".")
    path = RESULTS / f"{name}.md"
    path.write_text("\n\n".join(parts) + "\n")
    return path


def markdown_table(rows: Sequence[Row]) -> str:
    """Return a Markdown table of rows with equal keys; floats with three significant digits."""
    header = list(rows[0])
    lines = [header, ["---"] * len(header), *([_show(row[key]) for key in header] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _show(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
