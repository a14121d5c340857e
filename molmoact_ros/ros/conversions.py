# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Converts between ROS messages and dataclasses; does not import torch."""

from __future__ import annotations

import array
import math
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion
from rclpy.node import Node
from std_msgs.msg import Header

from molmoact_ros.answer import from_pixels
from molmoact_ros.control import ActionChunk
from molmoact_ros.msg import ActionChunk as ActionChunkMessage
from molmoact_ros.msg import ActionReasoning, DepthTokens, Trajectory2D
from molmoact_ros.policy.message_fields import (
    chunk_fields,
    depth_fields,
    reasoning_fields,
    trajectory_fields,
)
from molmoact_ros.policy.types import ActionFormat, Reasoning

_NANOSECONDS = 1_000_000_000
_CODES = {"float64": "d", "uint8": "B", "uint32": "I"}  # numpy types as those of array.array
_MOST_POINTS = 10_000  # of a trajectory; a person draws hundreds, a checkpoint answers with five
_LARGEST_IMAGE = 65_535  # px to a side


class MessageError(ValueError):
    """A message contradicts itself; the text names the field."""


def seconds(stamp: Time) -> float:
    """Return a stamp as s."""
    return float(stamp.sec + stamp.nanosec / _NANOSECONDS)


def clock_seconds(node: Node) -> float:
    """Return the time of a node's clock, s."""
    return float(node.get_clock().now().nanoseconds / _NANOSECONDS)


def time_message(stamp: float) -> Time:
    """Return a time in s, >= 0, as a stamp."""
    whole = math.floor(stamp)
    nanoseconds = round((stamp - whole) * _NANOSECONDS)
    return Time(sec=whole + nanoseconds // _NANOSECONDS, nanosec=nanoseconds % _NANOSECONDS)


def pose_message(position: np.ndarray, quaternion: np.ndarray) -> Pose:
    """Return a pose of a position `[3]`, m, and a quaternion `[4]` (x, y, z, w)."""
    x, y, z = (float(value) for value in position)
    qx, qy, qz, qw = (float(value) for value in quaternion)
    return Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))


def trajectory_to_message(
    points: np.ndarray, source: str, header: Header, size: tuple[int, int]
) -> Trajectory2D:
    """Return a trajectory in pixels.

    Args:
        points: `[K, 2]` (x, y), 0..255 of the image.
        source: "predicted" or "user".
        header: Header of the image.
        size: Width and height of the image, px.
    """
    return Trajectory2D(header=header, **_filled(trajectory_fields(points, source, size)))


def trajectory_from_message(message: Trajectory2D) -> np.ndarray:
    """Return the points `[K, 2]` (x, y) as 0..255 of the image.

    Raises:
        MessageError: x and y differ in length or are too long, a value is not finite, or the image
            size is absent or impossible.
    """
    if len(message.x) != len(message.y):
        raise MessageError(f"x has {len(message.x)} values, y has {len(message.y)}")
    if len(message.x) > _MOST_POINTS:
        raise MessageError(f"it has {len(message.x)} points, at most {_MOST_POINTS} are allowed")
    pixels = np.column_stack([np.asarray(message.x), np.asarray(message.y)])
    if not np.isfinite(pixels).all():
        raise MessageError("x and y must be finite")
    size = (message.image_width, message.image_height)
    if len(pixels) and not all(2 <= side <= _LARGEST_IMAGE for side in size):
        raise MessageError(
            "image_width and image_height must say which image x and y refer to "
            f"(2 .. {_LARGEST_IMAGE} px), they are {size[0]} and {size[1]}"
        )
    return from_pixels(pixels, size)


def depth_to_message(codes: np.ndarray | None, header: Header) -> DepthTokens:
    """Return depth codes uint8 `[rows, cols]`; without any the message is empty."""
    return DepthTokens(header=header, **_filled(depth_fields(codes)))


def chunk_to_message(
    reasoning: Reasoning, form: ActionFormat, stamp: Time, sequence: int
) -> ActionChunkMessage:
    """Return the actions of an answer."""
    header = Header(stamp=stamp, frame_id=form.frame_id)
    return ActionChunkMessage(header=header, **_filled(chunk_fields(reasoning, form, sequence)))


def chunk_from_message(message: ActionChunkMessage) -> ActionChunk:
    """Return the chunk for the executor, which checks everything but the shape itself.

    Raises:
        MessageError: The number of values is not horizon x dof.
    """
    if len(message.values) != message.horizon * message.dof:
        raise MessageError(
            f"values has {len(message.values)} entries, "
            f"horizon x dof needs {message.horizon} x {message.dof}"
        )
    values = np.array(message.values, dtype=np.float64).reshape(message.horizon, message.dof)
    return ActionChunk(
        values=values,
        names=tuple(message.names),
        action_space=message.action_space,
        step_period=message.step_period,
        stamp=seconds(message.header.stamp),
        sequence=message.sequence,
        valid=message.valid,
        confidence=None if math.isnan(message.confidence) else message.confidence,
        frame=message.header.frame_id,
    )


def reasoning_to_message(
    reasoning: Reasoning,
    instruction: str,
    chunk: ActionChunkMessage,
    header: Header,
    size: tuple[int, int],
) -> ActionReasoning:
    """Return the complete result of one inference.

    Args:
        reasoning: The answer.
        instruction: What was asked for.
        chunk: Its actions as a message.
        header: Header of the first camera's image.
        size: Width and height of that image, px.
    """
    return ActionReasoning(
        header=header,
        depth=depth_to_message(reasoning.depth_codes, header),
        trajectory=trajectory_to_message(
            reasoning.trajectory, reasoning.trajectory_source, header, size
        ),
        actions=chunk,
        **_filled(reasoning_fields(reasoning, instruction)),
    )


def _filled(fields: dict[str, Any]) -> dict[str, Any]:
    # An array of the field's own type is taken over by rclpy without a check of each element.
    return {
        name: array.array(_CODES[value.dtype.name], value.tobytes())
        if isinstance(value, np.ndarray)
        else value
        for name, value in fields.items()
    }
