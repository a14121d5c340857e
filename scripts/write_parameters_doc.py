#!/usr/bin/env python3
# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Write docs/parameters.md from the parameters that the nodes declare.

With --check nothing is written; the exit code is 1 when the page is not up to date.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout, not what is installed

from molmoact_ros.console.parameters import ConsoleParameters  # noqa: E402
from molmoact_ros.executor_node.parameters import ExecutorParameters  # noqa: E402
from molmoact_ros.markers_node.node import MarkersParameters  # noqa: E402
from molmoact_ros.policy_node.parameters import PolicyParameters  # noqa: E402
from molmoact_ros.record.node import RecorderParameters  # noqa: E402
from molmoact_ros.tabletop_node.node import TabletopParameters  # noqa: E402

TARGET = Path(__file__).resolve().parents[1] / "docs" / "parameters.md"
NODES = {
    "molmoact_policy": (
        PolicyParameters,
        "Executable `policy_node`. Example: [config/policy.yaml](../config/policy.yaml). Code: "
        "`policy_node/checkpoint.py` loads the policy, `policy_node/server.py` connects to that of "
        "a server; cameras, task and actions are read in `policy_node/session.py`.",
    ),
    "molmoact_executor": (
        ExecutorParameters,
        "Executable `executor_node`. Limits, outputs and timing of a robot are in its profile, "
        "one commented YAML file of [config/robots](../config/robots). Code: "
        "`executor_node/parameters.py`, which applies them to the profile.",
    ),
    "molmoact_markers": (
        MarkersParameters,
        "Executable `markers_node`. Example: [config/view.yaml](../config/view.yaml). Code: "
        "`markers_node/node.py`.",
    ),
    "molmoact_console": (
        ConsoleParameters,
        "Executable `console_node`. Example: [config/demo.yaml](../config/demo.yaml).",
    ),
    "molmoact_recorder": (
        RecorderParameters,
        "Executable `recorder_node`; `molmoact-record` adds a keyboard. What is recorded "
        "is in a file such as [config/recording/tabletop.yaml](../config/recording/tabletop.yaml). "
        "Code: `record/node.py`.",
    ),
    "tabletop": (
        TabletopParameters,
        "Executable `tabletop_node`, the simulator. Example: "
        "[config/demo.yaml](../config/demo.yaml). Code: `tabletop_node/node.py`.",
    ),
}
HEAD = """# Parameters

Written by `scripts/write_parameters_doc.py` from the nodes' code; do not edit.

An unknown parameter, a wrong type or a value out of range is refused, at start and at run time.
*Changes* states whether a parameter can be changed while the node runs. ROS cannot pass an empty
list; `[""]` stands for one. `use_sim_time` is a parameter of ROS itself.
"""
TABLE_HEAD = """
| Name | Type | Default | Range | Changes | Meaning |
|---|---|---|---|---|---|
"""
TYPES = {
    type(None): "bool",
    bool: "bool",
    int: "int",
    float: "double",
    str: "string",
    tuple: "string list",
}


def document() -> str:
    """Return the text of the page."""
    parts = [HEAD]
    for node, (spec, text) in NODES.items():
        parts += [f"\n## {node}\n\n{text}\n"]
        parts += [TABLE_HEAD]
        parts += [_row(field) for field in dataclasses.fields(spec)]
    return "".join(parts)


def _row(field: dataclasses.Field) -> str:
    cells = (
        f"`{field.name}`",
        TYPES[type(field.default)],
        _default(field.default),
        _range(field),
        "no" if field.metadata["read_only"] else "yes",
        field.metadata["description"].replace("|", r"\|"),
    )
    return f"| {' | '.join(cells)} |\n"


def _default(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"`[{', '.join(value)}]`" if value else "empty"
    return f"`{value}`" if value not in ("", None) else "empty" if value == "" else "not set"


def _range(field: dataclasses.Field) -> str:
    choices = field.metadata["choices"]
    if choices:
        return ", ".join(f"`{choice}`" if choice else "empty" for choice in choices)
    if field.metadata["range"]:
        low, high = field.metadata["range"]
        return f"{low} .. {high}"
    if field.metadata["max_length"]:
        return f"at most {field.metadata['max_length']} characters"
    return ""


def main() -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only compare")
    options = parser.parse_args()
    text = document()
    if options.check:
        if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text:
            return 0
        print(f"{TARGET} is not up to date; run scripts/write_parameters_doc.py", file=sys.stderr)
        return 1
    TARGET.write_text(text, encoding="utf-8")
    print(f"wrote {TARGET}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
