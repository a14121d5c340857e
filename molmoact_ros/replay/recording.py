# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers as a rosbag2 with the topics that the policy node would have published."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys.store import Typestore

from molmoact_ros.output_files import writing
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
        depth, trajectory = self._depth(answer), self._trajectory(answer)
        chunk = self._chunk(answer)
        self._put(answer, "reasoning", self._reasoning(answer, depth, trajectory, chunk))
        self._put(answer, "depth", depth)
        self._put(answer, "trajectory", trajectory)
        self._put(answer, "overlay/compressed", self._jpeg(answer.header, overlay))
        if depth_image is not None:
            self._put(answer, "depth_image", self._image(answer.header, depth_image))
        self._put(answer, "action_chunk", chunk)

    def _put(self, answer: ReplayAnswer, topic: str, message: Any) -> None:
        data = self._types.serialize_cdr(message, _TOPICS[topic])
        with writing(self._path):
            self._writer.write(self._links[topic], answer.log_time, data)

    def _make(self, topic: str, **fields: Any) -> Any:
        return self._types.types[_TOPICS[topic]](**fields)

    def _depth(self, answer: ReplayAnswer) -> Any:
        codes = answer.reasoning.depth_codes
        if codes is None:
            codes = np.empty((0, 0), dtype=np.uint8)
        return self._make(
            "depth",
            header=answer.header,
            rows=codes.shape[0],
            cols=codes.shape[1],
            codes=np.ascontiguousarray(codes, dtype=np.uint8).ravel(),
        )

    def _trajectory(self, answer: ReplayAnswer) -> Any:
        pixels = answer.trajectory_px
        message = self._types.types[_TOPICS["trajectory"]]
        is_user = answer.reasoning.trajectory_source == "user"
        return self._make(
            "trajectory",
            header=answer.header,
            image_width=answer.rgb.shape[1],
            image_height=answer.rgb.shape[0],
            x=np.ascontiguousarray(pixels[:, 0]),
            y=np.ascontiguousarray(pixels[:, 1]),
            source=message.SOURCE_USER if is_user else message.SOURCE_PREDICTED,  # type: ignore[attr-defined]
        )

    def _chunk(self, answer: ReplayAnswer) -> Any:
        reasoning, form = answer.reasoning, self._form
        rows, columns = reasoning.actions.shape
        header = self._types.types["std_msgs/msg/Header"](
            stamp=answer.header.stamp, frame_id=form.frame_id
        )
        spread = np.empty(0) if reasoning.spread is None else reasoning.spread
        return self._make(
            "action_chunk",
            header=header,
            action_space=form.action_space,
            names=list(form.names),
            horizon=rows,
            dof=columns,
            values=np.asarray(reasoning.actions, dtype=np.float64).ravel(),
            step_period=form.step_period,
            sequence=answer.sequence,
            unnorm_key=reasoning.unnorm_key,
            valid=reasoning.valid,
            confidence=math.nan if reasoning.confidence is None else reasoning.confidence,
            spread=np.asarray(spread, dtype=np.float64).ravel(),
        )

    def _reasoning(self, answer: ReplayAnswer, depth: Any, trajectory: Any, chunk: Any) -> Any:
        reasoning = answer.reasoning
        sources = sorted(reasoning.drafted)
        return self._make(
            "reasoning",
            header=answer.header,
            instruction=answer.instruction,
            text=reasoning.text,
            depth=depth,
            trajectory=trajectory,
            actions=chunk,
            problems=list(reasoning.problems),
            stage_names=list(reasoning.timings),
            stage_seconds=np.array(list(reasoning.timings.values()), dtype=np.float64),
            generated_tokens=len(reasoning.ids),
            forward_passes=reasoning.forward_passes,
            draft_sources=sources,
            drafted_tokens=np.array([reasoning.drafted[s] for s in sources], dtype=np.uint32),
            accepted_tokens=np.array(
                [reasoning.accepted.get(s, 0) for s in sources], dtype=np.uint32
            ),
        )

    def _jpeg(self, header: Any, rgb: np.ndarray) -> Any:
        data = np.frombuffer(jpeg_from_rgb(rgb), dtype=np.uint8)
        return self._make("overlay/compressed", header=header, format="jpeg", data=data)

    def _image(self, header: Any, rgb: np.ndarray) -> Any:
        height, width, _ = rgb.shape
        return self._make(
            "depth_image",
            header=header,
            height=height,
            width=width,
            encoding="rgb8",
            is_bigendian=0,
            step=3 * width,
            data=np.ascontiguousarray(rgb).ravel(),
        )
