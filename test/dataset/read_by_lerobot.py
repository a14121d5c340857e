# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A program: reads a data set with the published reader and writes what it saw as .npz.

It runs with .venv/lerobot in front of the path (scripts/requirements/lerobot.txt), where the reader
is a package of its own, or in .venv-lerobot, which has all of lerobot (lerobot-all.txt).

    read_by_lerobot.py DATASET OUT.npz
"""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

if importlib.util.find_spec("lerobot") is not None:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset
else:
    # torchvision's own library is made for another torch; its import asks for this name.
    _LIBRARY = torch.library.Library("torchvision", "DEF")
    _LIBRARY.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from ledataset.datasets.lerobot_dataset import LeRobotDataset

root, out = map(Path, sys.argv[1:])
data = LeRobotDataset("test/data", root=root, video_backend="pyav")
steps = [0, 1, len(data) // 2, len(data) - 1]
rows = [data[i] for i in steps]
keys = [key for key in rows[0] if key != "task"]
arrays = {key: np.stack([row[key].numpy() for row in rows]) for key in keys}
facts = {
    "fps": data.fps,
    "episodes": data.num_episodes,
    "frames": data.num_frames,
    "tasks": [row["task"] for row in rows],
    "features": sorted(data.features),
    "cameras": data.meta.camera_keys,
    "action_names": list(data.meta.names["action"]),
    "stats": sorted(data.meta.stats),
    "splits": data.meta.info["splits"],
}
chunk = LeRobotDataset(
    "test/data",
    root=root,
    video_backend="pyav",
    episodes=[data.num_episodes - 1],
    delta_timestamps={"action": [i / data.fps for i in range(8)]},
)
arrays["last_chunk"] = chunk[0]["action"].numpy()
content: dict[str, Any] = {"facts": json.dumps(facts), "steps": steps, **arrays}
np.savez(out, **content)
