# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers as a rosbag2 with the topics that the policy node would have published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys.store import Typestore

from molmoact_ros.output_files import writing
from molmoact_ros.policy.message_fields import (
    chunk_fields,
    depth_fields,
    reasoning_fields,
    trajectory_fields,
)
from molmoact_ros.policy.pixels import jpeg_from_rgb
from molmoact_ros.policy.types import ActionFormat

from .run import ReplayAnswer

_NODE = "/molmoact_policy"
_BAG_VERSION = 8  # can be read by Humble and everything later
_TOPICS = {
    "reasoning": "molmoact_ros/msg/ActionReasoning",
    "depth": "molmoact_ros/msg/DepthTokens",
    "trajectory": "molmoact_ros/msg/Trajectory2D",
    "action_chunk": "molmoact_ros/msg/ActionChunk",
    "overlay/compressed": "sensor_msgs/msg/CompressedImage",
    "depth_image": "sensor_msgs/msg/Image",
}


class Recording:
    """Writes a bag; every message has the time at which its picture was recorded."""

    def __init__(self, path: Path, types: Typestore, form: ActionFormat, is_mcap: bool) -> None:
        """Create the bag.

        Args:
            path: Folder that does not exist yet.
            types: Message types, `types.message_types`.
            form: Of the actions.
            is_mcap: Storage: MCAP or sqlite3.

        Raises:
            WriteError: It cannot be written.
        """
        self._path = path
        self._types = types
        self._form = form
        plugin = StoragePlugin.MCAP if is_mcap else StoragePlugin.SQLITE3
        self._writer = Writer(path, version=_BAG_VERSION, storage_plugin=plugin)
        with writing(path):
            self._writer.open()
            self._links = {
                topic: self._writer.add_connection(f"{_NODE}/{topic}", kind, typestore=types)
                for topic, kind in _TOPICS.items()
            }

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        with writing(self._path):
            self._writer.close()

    def write(
        self, answer: ReplayAnswer, overlay: np.ndarray, depth_image: np.ndarray | None
    ) -> None:
        """Write an answer with its pictures, RGB uint8.

        Raises:
            WriteError: It cannot be written.
        """
        reasoning, header = answer.reasoning, answer.header
        size = (answer.rgb.shape[1], answer.rgb.shape[0])
        path, source = reasoning.trajectory, reasoning.trajectory_source
        frame = replace(header, frame_id=self._form.frame_id)
        actions = chunk_fields(reasoning, self._form, answer.sequence)
        depth = self._make("depth", header, depth_fields(reasoning.depth_codes))
        trajectory = self._make("trajectory", header, trajectory_fields(path, source, size))
        chunk = self._make("action_chunk", frame, actions)
        parts = {"depth": depth, "trajectory": trajectory, "actions": chunk}
        fields = {**reasoning_fields(reasoning, answer.instruction), **parts}
        jpeg = np.frombuffer(jpeg_from_rgb(overlay), dtype=np.uint8)
        messages = {
            "reasoning": self._make("reasoning", header, fields),
            "depth": depth,
            "trajectory": trajectory,
            "overlay/compressed": self._make(
                "overlay/compressed", header, {"format": "jpeg", "data": jpeg}
            ),
            "action_chunk": chunk,
        }
        if depth_image is not None:
            messages["depth_image"] = self._make("depth_image", header, _image_fields(depth_image))
        for topic, message in messages.items():
            data = self._types.serialize_cdr(message, _TOPICS[topic])
            with writing(self._path):
                self._writer.write(self._links[topic], answer.log_time, data)

    def _make(self, topic: str, header: Any, fields: Mapping[str, Any]) -> Any:
        return self._types.types[_TOPICS[topic]](header=header, **fields)


def _image_fields(rgb: np.ndarray) -> dict[str, Any]:
    height, width, _ = rgb.shape
    return {
        "height": height,
        "width": width,
        "encoding": "rgb8",
        "is_bigendian": 0,
        "step": 3 * width,
        "data": np.ascontiguousarray(rgb).ravel(),
    }
