# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The description of a data set: meta/molmoact.json and README.md."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from molmoact_ros.output_files import write_text

from .collect import BuildSettings, Built
from .depth_codes import COLUMNS, ROWS, DepthCodes
from .statistics import norm_stats

VERSION = 1


def description(
    settings: BuildSettings,
    cameras: Sequence[str],
    built: Built,
    depth: DepthCodes | None,
) -> dict[str, Any]:
    """Return the content of meta/molmoact.json; docs/own_robot.md explains each key."""
    training = built.stretches[: built.training]
    profile = built.profile
    action, gripper = profile.action, profile.action.gripper
    assert gripper is not None  # check_profile
    stats = norm_stats(
        np.concatenate([stretch.actions for stretch in training]),
        np.concatenate([stretch.state for stretch in training]),
        gripper=True,
        trajectories=len(training),
    )
    return {
        "version": VERSION,
        "license": settings.license,
        "robot": profile.robot,
        "frame": profile.frame,
        "action_space": action.space,
        "action_frame": action.frame,
        "rotation": action.rotation,
        "columns": list(action.columns),
        "control_period": settings.choices.period,
        "gripper": {"column": gripper.column, "open": gripper.open, "closed": gripper.closed},
        "cameras": list(cameras),
        "image_keys": [f"observation.images.{camera}" for camera in cameras],
        "trajectory": {"scale": [0, 255], "max_points": 5, "camera": cameras[0]},
        "depth": None if depth is None else {
            "source": depth.source,
            "vqvae_sha256": depth.vqvae_sha256,
            "rows": ROWS,
            "columns": COLUMNS,
        },
        "unnorm_key": settings.name,
        "norm_stats": {settings.name: stats},
        "split": {
            "training": list(range(built.training)),
            "held_out": list(range(built.training, len(built.stretches))),
        },
        "dropped": vars(built.dropped),
        "lost_messages": built.lost,
        "episodes": [
            {
                "name": stretch.name,
                "bag": stretch.recorded.path.name,
                "start": round(float(stretch.stamps[0]), 6),
                "end": round(float(stretch.stamps[-1]), 6),
                "instruction": stretch.segment.instruction,
                "steps": len(stretch.moments),
                "idle_steps_dropped": stretch.idle,
                "human_steps": int(stretch.human.sum()),
                "outside_share": round(float(stretch.traces.outside.mean()), 4),
            }
            for stretch in built.stretches
        ],
    }  # fmt: skip


def readme(path: Path, settings: BuildSettings, facts: dict[str, Any]) -> None:
    """Write README.md with the header that the hub reads.

    Raises:
        WriteError: It cannot be written.
    """
    total = sum(episode["steps"] for episode in facts["episodes"])
    write_text(
        path,
        f"""---
license: {json.dumps(settings.license or "other", ensure_ascii=False)}
task_categories: [robotics]
tags: [LeRobot, MolmoAct]
---
# {settings.name}

{len(facts["episodes"])} episodes, {total} steps of {facts["control_period"]:g} s by a robot of
the profile `{facts["robot"]}`; actions are `{facts["action_space"]}`:
{", ".join(facts["columns"])}.

A LeRobotDataset v3 made by molmoact-dataset of molmoact_ros. `meta/molmoact.json` holds what the
format has no place for: statistics, split, conventions. `report.html` shows pictures and what was
left out.
""",
    )
