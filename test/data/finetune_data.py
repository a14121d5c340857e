# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A small data set, written as molmoact-dataset writes it, without a simulator or bags."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from molmoact_ros.dataset.lerobot_files import Feature, LeRobotFiles
from molmoact_ros.dataset.statistics import norm_stats
from molmoact_ros.finetune.demonstrations import Demonstrations, read_demonstrations
from molmoact_ros.finetune.plan import Plan, make_plan
from molmoact_ros.finetune.samples import Samples
from molmoact_ros.finetune.settings import FinetuneSettings

ROOT = Path(__file__).parents[2]
TABLETOP = ROOT / "checkpoints" / "tabletop"
COLUMNS = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
SIDE, STEPS = 126, 12
DESCRIPTION = "meta/molmoact.json"
Change = Callable[[dict[str, Any]], None]


def episode_columns(rng: np.random.Generator, steps: int) -> dict[str, np.ndarray]:
    """Return the columns of an episode; the gripper closes half-way, rotations stay."""
    actions = np.zeros((steps, 7), dtype=np.float32)
    actions[:, :3] = rng.normal(0.0, 0.01, (steps, 3))
    actions[steps // 2 :, 6] = 1.0
    points = np.linspace([20.0, 30.0], [200.0, 220.0], 5)[None].repeat(steps, axis=0)
    counts = np.minimum(5, steps - np.arange(steps))
    for row, count in enumerate(counts):
        points[row, count:] = points[row, count - 1]
    return {
        "action": actions,
        "observation.state": np.zeros((steps, 7), dtype=np.float32),
        "annotation.trajectory": points.reshape(steps, 10),
        "annotation.trajectory_points": counts,
        "annotation.human": np.ones(steps, dtype=bool),
        "annotation.depth_codes": rng.integers(0, 128, (steps, 100)),
        "annotation.stamp_ns": np.arange(steps),
    }


def write_data(folder: Path, steps: int = STEPS, cameras: tuple[str, ...] = ("camera",)) -> Path:
    """Write three episodes, the last one held out."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    (folder / "meta").mkdir()
    keys = [f"observation.images.{camera}" for camera in cameras]
    features = {
        "action": Feature("float32", (7,)),
        "observation.state": Feature("float32", (7,)),
        "annotation.trajectory": Feature("float32", (10,)),
        "annotation.trajectory_points": Feature("int64", (1,)),
        "annotation.human": Feature("bool", (1,)),
        "annotation.depth_codes": Feature("uint8", (100,)),
        "annotation.stamp_ns": Feature("int64", (1,)),
    }
    files = LeRobotFiles(folder, 5.0, "tabletop", features, keys)
    everything = []
    for color in ("red", "green", "blue"):
        files.begin_episode()
        for step in range(steps):
            picture = np.full((SIDE, SIDE, 3), 90, dtype=np.uint8)
            picture[40:60, 5 * step : 5 * step + 20] = rng.integers(256, size=3)
            for key in keys:
                files.add_picture(key, picture)
        columns = episode_columns(rng, steps)
        everything.append(columns)
        files.end_episode(f"reach the {color} block", columns)
    files.close(2)
    actions, state = (
        np.concatenate([columns[name] for columns in everything[:2]])
        for name in ("action", "observation.state")
    )
    vqvae = (TABLETOP / "vae-final.safetensors").read_bytes()
    content = {
        "license": "CC-BY-4.0",
        "robot": "tabletop",
        "action_space": "ee_delta",
        "columns": list(COLUMNS),
        "control_period": 0.2,
        "gripper": {"column": "gripper", "open": 0.0, "closed": 1.0},
        "cameras": list(cameras),
        "image_keys": keys,
        "depth": {"source": "camera", "vqvae_sha256": hashlib.sha256(vqvae).hexdigest()},
        "unnorm_key": "cell",
        "norm_stats": {"cell": norm_stats(actions, state, True, 2)},
        "split": {"training": [0, 1], "held_out": [2]},
        "episodes": [{"steps": steps}] * 3,
    }
    (folder / DESCRIPTION).write_text(json.dumps(content), encoding="utf-8")
    return folder


def edit(folder: Path, change: Change) -> None:
    """Change meta/molmoact.json."""
    path = folder / DESCRIPTION
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def prepare(data: Path, checkpoint: Path = TABLETOP) -> tuple[Plan, Demonstrations, Samples]:
    """Return plan, data and training samples as molmoact-finetune makes them."""
    plan = make_plan(FinetuneSettings(checkpoint, data, data / "out"))
    assert plan.found.processor is not None
    read = read_demonstrations(plan.description, False, lambda count: None)
    arguments = (plan.profile, plan.stats, plan.found.processor, plan.writer)
    return plan, read, Samples(read, plan.training, *arguments)
