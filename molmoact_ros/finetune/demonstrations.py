# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reads a data set of molmoact-dataset into memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pyarrow.parquet as pq

from molmoact_ros.model.files import CheckpointError, read_json

from .faults import FinetuneError

DESCRIPTION = "meta/molmoact.json"
_KEYS: Mapping[str, type | tuple[type, ...]] = {
    "columns": list, "action_space": str, "control_period": (int, float), "gripper": dict,
    "image_keys": list, "cameras": list, "depth": (dict, type(None)), "unnorm_key": str,
    "norm_stats": dict, "split": dict, "episodes": list, "robot": str,
}  # fmt: skip
_COLUMNS = ("action", "annotation.trajectory", "annotation.trajectory_points", "annotation.human",
            "annotation.depth_codes", "episode_index")  # fmt: skip
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95]


@dataclass(frozen=True)
class Description:
    """What meta/molmoact.json describes; docs/own_robot.md explains its keys.

    Attributes:
        folder: Of the data set.
        content: Of the file.
        info: Content of meta/info.json.
        sha256: Of both files.
    """

    folder: Path
    content: Mapping[str, Any]
    info: Mapping[str, Any]
    sha256: str

    @staticmethod
    def read(folder: Path) -> Description:
        """Read the description.

        Raises:
            FinetuneError: It is missing or broken.
        """
        try:
            content, info = (read_json(folder, n) for n in (DESCRIPTION, "meta/info.json"))
        except CheckpointError as error:
            raise FinetuneError(f"{error}: give a data set of molmoact-dataset by --data") from None
        problem = _problem(content, info)
        if problem:
            raise FinetuneError(f"{folder / DESCRIPTION} {problem}: make the data set again")
        digest = hashlib.sha256()
        for name in (DESCRIPTION, "meta/info.json"):
            digest.update((folder / name).read_bytes())
        return Description(folder, content, info, digest.hexdigest())

    @property
    def steps(self) -> int:
        """Number of steps of all episodes."""
        return int(self.info["total_frames"])

    @property
    def picture_bytes(self) -> int:
        """Bytes of all decoded pictures."""
        shapes = [self.info["features"][key]["shape"] for key in self.content["image_keys"]]
        return self.steps * sum(int(np.prod(shape)) for shape in shapes)


def _problem(content: Mapping[str, Any], info: Mapping[str, Any]) -> str:
    """Return what a description lacks; empty: nothing."""
    for key, kind in _KEYS.items():
        if key not in content:
            return f"lacks {key}"
        if not isinstance(content[key], kind) or isinstance(content[key], bool):
            return f"has a wrong {key}: {content[key]!r}"
    count, split = len(content["episodes"]), content["split"]
    for part in ("training", "held_out"):
        numbers = split.get(part)
        if not isinstance(numbers, list) or not all(n in range(count) for n in numbers):
            return f"has a wrong split.{part}: {numbers!r} of {count} episodes"
    features = info.get("features", {})
    missing = [key for key in content["image_keys"] if key not in features]
    if missing or not isinstance(info.get("total_frames"), int):
        return f"does not fit meta/info.json, which lacks {', '.join(missing) or 'total_frames'}"
    return ""


@dataclass(frozen=True)
class Episode:
    """One episode of T steps.

    Attributes:
        number: Its index in the data set.
        instruction: What was done.
        actions: float64 `[T, D]` as in the data set.
        trajectories: float64 `[T, 5, 2]`, 0..255 of the first camera.
        counts: int64 `[T]` how many of the points count.
        codes: uint8 `[T, 100]` depth codes.
        human: bool `[T]` whether a person moved the robot.
    """

    number: int
    instruction: str
    actions: np.ndarray
    trajectories: np.ndarray
    counts: np.ndarray
    codes: np.ndarray
    human: np.ndarray

    def __len__(self) -> int:
        return len(self.actions)


class Pictures:
    """The pictures of one camera in the order of the data set, RGB uint8 `[H, W, 3]`."""

    def __init__(self, compressed: bool) -> None:
        """Start empty; `compressed`: as JPEG of quality 95, a tenth of the memory."""
        self._compressed = compressed
        self._frames: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, rgb: np.ndarray) -> None:
        """Keep a picture."""
        self._frames.append(cv2.imencode(".jpg", rgb, _JPEG)[1] if self._compressed else rgb)

    def __getitem__(self, index: int) -> np.ndarray:
        frame = self._frames[index]
        return np.asarray(cv2.imdecode(frame, cv2.IMREAD_COLOR)) if self._compressed else frame


@dataclass(frozen=True)
class Demonstrations:
    """A data set in memory.

    Attributes:
        description: Of it.
        episodes: All of them.
        starts: Index of each episode's first step among all steps.
        cameras: Their pictures, in the order of the description.
    """

    description: Description
    episodes: tuple[Episode, ...]
    starts: np.ndarray
    cameras: tuple[Pictures, ...]

    def pictures(self, episode: int, step: int) -> list[np.ndarray]:
        """Return the pictures of all cameras at a step."""
        return [camera[int(self.starts[episode]) + step] for camera in self.cameras]


def read_demonstrations(
    description: Description, compressed: bool, progress: Callable[[int], None]
) -> Demonstrations:
    """Read rows and pictures.

    Args:
        description: Of the data set.
        compressed: Whether pictures are kept as JPEG.
        progress: Called with the number of pictures that were decoded.

    Raises:
        FinetuneError: A file is missing or broken, or does not fit the others.
    """
    folder = description.folder
    try:
        entries = pq.read_table(folder / "meta" / "episodes").to_pylist()
        table = pq.read_table(folder / "data", columns=list(_COLUMNS))
    except (OSError, ValueError, KeyError) as error:
        raise FinetuneError(f"{folder}: its tables cannot be read: {error}") from error
    columns = {name: np.array(table[name].to_pylist()) for name in _COLUMNS}
    entries.sort(key=lambda entry: entry["episode_index"])
    episodes, starts = [], []
    for entry in entries:
        rows = {
            name: values[entry["dataset_from_index"] : entry["dataset_to_index"]]
            for name, values in columns.items()
        }
        if not np.isfinite(rows["action"]).all():
            raise FinetuneError(f"{folder}: episode {entry['episode_index']} has actions of NaN")
        starts.append(entry["dataset_from_index"])
        episodes.append(
            Episode(
                entry["episode_index"],
                entry["tasks"][0],
                rows["action"].astype(np.float64),
                rows["annotation.trajectory"].reshape(-1, 5, 2),
                rows["annotation.trajectory_points"],
                rows["annotation.depth_codes"],
                rows["annotation.human"],
            )
        )
    cameras = tuple(
        _read_videos(folder, key, entries, compressed, progress)
        for key in description.content["image_keys"]
    )
    return Demonstrations(description, tuple(episodes), np.array(starts), cameras)


def _read_videos(
    folder: Path,
    key: str,
    entries: list[dict[str, Any]],
    compressed: bool,
    progress: Callable[[int], None],
) -> Pictures:
    """Decode the videos of a camera; the episodes lie one behind the other in them."""
    pictures = Pictures(compressed)
    total = sum(entry["length"] for entry in entries)
    for file in sorted({entry[f"videos/{key}/file_index"] for entry in entries}):
        path = folder / "videos" / key / "chunk-000" / f"file-{file:03d}.mp4"
        try:
            with av.open(str(path)) as container:
                for frame in container.decode(video=0):
                    pictures.add(frame.to_ndarray(format="rgb24"))
                    progress(1)
        except (OSError, av.FFmpegError) as error:
            raise FinetuneError(f"{path} cannot be read: {error}") from error
    if len(pictures) != total:
        raise FinetuneError(
            f"{folder / 'videos' / key} has {len(pictures)} pictures, the table {total} steps: "
            "make the data set again"
        )
    return pictures
