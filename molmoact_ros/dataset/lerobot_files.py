# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The files of a LeRobotDataset v3 (codebase_version v3.0)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from molmoact_ros.output_files import write_text, writing

from .statistics import Statistics, aggregated, picture_statistics, statistics
from .video import CODEC, PIXEL_FORMAT, VideoFiles, VideoPlace

_FILES_PER_CHUNK = 1000
_DATA_MB, _VIDEO_MB = 100, 200
_SAMPLED = 48  # px of a picture's shorter side, for the statistics
_MEGABYTE = 1024 * 1024
_DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
_VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
_EPISODES = "meta/episodes/chunk-000/file-000.parquet"
_INDICES = ("frame_index", "episode_index", "index", "task_index")


@dataclass(frozen=True)
class Feature:
    """A column.

    Attributes:
        dtype: As numpy names it.
        shape: Of one row; ``(1,)`` is a scalar.
        names: Of its entries, or None.
    """

    dtype: str
    shape: tuple[int, ...]
    names: tuple[str, ...] | None = None

    @property
    def arrow(self) -> pa.DataType:
        """Its type in the table."""
        kind = pa.from_numpy_dtype(np.dtype(self.dtype))
        return kind if self.shape == (1,) else pa.list_(kind, self.shape[0])


_BASE = {"timestamp": Feature("float32", (1,)), **{n: Feature("int64", (1,)) for n in _INDICES}}


@dataclass
class LeRobotFiles:
    """Writes episode by episode into a folder.

    Attributes:
        folder: Exists and is empty.
        fps: Steps per second.
        robot: Name of the robot.
        features: Columns by name, without those of the format and the cameras.
        cameras: Keys of the videos, ``observation.images.NAME``.
    """

    folder: Path
    fps: float
    robot: str
    features: Mapping[str, Feature]
    cameras: Sequence[str]
    _videos: dict[str, VideoFiles] = field(default_factory=dict)
    _episodes: list[dict[str, Any]] = field(default_factory=list)
    _tasks: list[str] = field(default_factory=list)
    _stats: list[dict[str, Statistics]] = field(default_factory=list)
    _writer: Any = None
    _file: int = -1
    _rows: int = 0

    def __post_init__(self) -> None:
        """Prepare the videos."""
        for key in self.cameras:
            # 1000 videos of 200 MB make a chunk: more than one is never needed.
            pattern = str(self.folder / "videos" / key / "chunk-000" / "file-{file:03d}.mp4")
            self._videos[key] = VideoFiles(pattern, self.fps, _VIDEO_MB * _MEGABYTE)

    def begin_episode(self) -> None:
        """Begin an episode."""
        self._samples: dict[str, list[np.ndarray]] = {key: [] for key in self.cameras}
        for videos in self._videos.values():
            videos.begin_episode()

    def add_picture(self, camera: str, rgb: np.ndarray) -> None:
        """Add the next picture of a camera, RGB uint8 ``[H, W, 3]``."""
        self._videos[camera].add(rgb)
        step = max(min(rgb.shape[:2]) // _SAMPLED, 1)
        self._samples[camera].append(rgb[::step, ::step])

    def end_episode(self, task: str, columns: Mapping[str, np.ndarray]) -> int:
        """Write an episode's rows.

        Args:
            task: Its instruction.
            columns: ``[T, ...]`` by name of the feature.

        Returns:
            The number of the episode.
        """
        number, count = len(self._episodes), len(next(iter(columns.values())))
        if task not in self._tasks:
            self._tasks.append(task)
        rows: dict[str, np.ndarray] = {
            "timestamp": np.arange(count, dtype=np.float32) / np.float32(self.fps),
            "frame_index": np.arange(count),
            "episode_index": np.full(count, number),
            "index": np.arange(self._rows, self._rows + count),
            "task_index": np.full(count, self._tasks.index(task)),
            **columns,
        }
        self._write_rows(rows)
        stats = {name: statistics(values) for name, values in rows.items()}
        stats |= {key: picture_statistics(self._samples[key]) for key in self.cameras}
        self._stats.append(stats)
        places = {key: videos.end_episode() for key, videos in self._videos.items()}
        self._episodes.append(self._episode(number, task, count, places, stats))
        self._rows += count
        return number

    def close(self, training: int) -> None:
        """Write what belongs to all episodes.

        Args:
            training: Number of the first episodes that are for training; the rest is held out.
        """
        for videos in self._videos.values():
            videos.close()
        if self._writer is not None:
            with writing(self.folder / "data"):
                self._writer.close()
        self._writer = None
        path = self.folder / _EPISODES
        with writing(path):
            path.parent.mkdir(parents=True)
            pq.write_table(pa.Table.from_pylist(self._episodes), path)
        self._write_tasks()
        total = {key: value.as_json() for key, value in aggregated(self._stats).items()}
        write_json(self.folder / "meta" / "stats.json", total)
        write_json(self.folder / "meta" / "info.json", self._info(training))

    def abandon(self) -> None:
        """Close all files; what is in them does not matter."""
        for videos in self._videos.values():
            videos.abandon()
        if self._writer is not None:
            try:
                self._writer.close()
            except OSError:
                pass

    def _write_rows(self, rows: Mapping[str, np.ndarray]) -> None:
        known = {**self.features, **_BASE}
        names = [*self.features, *_BASE]
        arrays = []
        for name in names:
            values = np.asarray(rows[name], dtype=known[name].dtype)
            flat = pa.array(values.ravel())
            is_scalar = known[name].shape == (1,)
            arrays.append(
                flat if is_scalar else pa.FixedSizeListArray.from_arrays(flat, known[name].shape[0])
            )
        table = pa.Table.from_arrays(arrays, names=names)
        with writing(self.folder / _DATA.format(chunk_index=0, file_index=max(self._file, 0))):
            if self._writer is None or self._size() > _DATA_MB * _MEGABYTE:
                if self._writer is not None:
                    self._writer.close()
                self._file += 1
                path = self.folder / _DATA.format(chunk_index=0, file_index=self._file)
                path.parent.mkdir(parents=True, exist_ok=True)
                self._writer = pq.ParquetWriter(path, table.schema)
            self._writer.write_table(table)

    def _size(self) -> int:
        path = self.folder / _DATA.format(chunk_index=0, file_index=self._file)
        return path.stat().st_size

    def _episode(
        self,
        number: int,
        task: str,
        count: int,
        places: Mapping[str, VideoPlace],
        stats: Mapping[str, Statistics],
    ) -> dict[str, Any]:
        row: dict[str, Any] = {
            "episode_index": number,
            "tasks": [task],
            "length": count,
            "data/chunk_index": 0,
            "data/file_index": self._file,
            "dataset_from_index": self._rows,
            "dataset_to_index": self._rows + count,
        }
        for key, place in places.items():
            row |= {
                f"videos/{key}/chunk_index": 0,
                f"videos/{key}/file_index": place.file,
                f"videos/{key}/from_timestamp": place.start,
                f"videos/{key}/to_timestamp": place.end,
            }
        for name, value in stats.items():
            row |= {f"stats/{name}/{key}": entry for key, entry in value.as_json().items()}
        return row | {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}

    def _write_tasks(self) -> None:
        """Write the tasks as pandas does: their text is the index."""
        table = pa.table({"task_index": pa.array(range(len(self._tasks)), pa.int64()),
                          "__index_level_0__": pa.array(self._tasks)})  # fmt: skip
        described = [
            {"name": None, "field_name": "__index_level_0__", "pandas_type": "unicode",
             "numpy_type": "object", "metadata": None},
            {"name": "task_index", "field_name": "task_index", "pandas_type": "int64",
             "numpy_type": "int64", "metadata": None},
        ]  # fmt: skip
        pandas = {"index_columns": ["__index_level_0__"], "column_indexes": [],
                  "columns": described, "pandas_version": "2.0.0"}  # fmt: skip
        path = self.folder / "meta" / "tasks.parquet"
        with writing(path):
            pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(pandas)}), path)

    def _info(self, training: int) -> dict[str, Any]:
        total = len(self._episodes)
        splits = {"train": f"0:{training}"}
        if training < total:
            splits["val"] = f"{training}:{total}"
        fps = int(self.fps) if float(self.fps).is_integer() else self.fps
        columns = {
            name: {"dtype": f.dtype, "shape": list(f.shape), "names": f.names and list(f.names)}
            for name, f in {**self.features, **_BASE}.items()
        }
        return {
            "codebase_version": "v3.0",
            "robot_type": self.robot,
            "total_episodes": total,
            "total_frames": self._rows,
            "total_tasks": len(self._tasks),
            "chunks_size": _FILES_PER_CHUNK,
            "data_files_size_in_mb": _DATA_MB,
            "video_files_size_in_mb": _VIDEO_MB,
            "fps": fps,
            "splits": splits,
            "data_path": _DATA,
            "video_path": _VIDEO,
            "features": {**{key: self._video_feature(key) for key in self.cameras}, **columns},
        }

    def _video_feature(self, key: str) -> dict[str, Any]:
        size = self._videos[key].size
        assert size is not None  # every episode has a picture
        width, height = (side + side % 2 for side in size)
        return {
            "dtype": "video",
            "shape": [height, width, 3],
            "names": ["height", "width", "channels"],
            "info": {
                "video.height": height,
                "video.width": width,
                "video.channels": 3,
                "video.codec": CODEC,
                "video.pix_fmt": PIXEL_FORMAT,
                "video.fps": self.fps,
                "video.is_depth_map": False,
                "has_audio": False,
            },
        }


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file.

    Raises:
        WriteError: It cannot be written.
    """
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
