# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Publishes the result of one inference: for programs, for the executor, and last for people."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from molmoact_ros.answer import to_pixels
from molmoact_ros.msg import ActionChunk, ActionReasoning, DepthTokens, Trajectory2D
from molmoact_ros.policy.task import PolicyTask
from molmoact_ros.policy.types import ActionFormat, Reasoning
from molmoact_ros.ros import qos
from molmoact_ros.ros.conversions import chunk_to_message, reasoning_to_message
from molmoact_ros.ros.images import compressed_from_rgb, image_from_rgb
from molmoact_ros.viz import depth_picture, draw_overlay


@dataclass(frozen=True)
class TaskAnswer:
    """One answer, with the task and the picture that it is about.

    Attributes:
        sequence: Its number.
        task: What was asked for.
        reasoning: The answer itself.
        rgb: First camera's picture, RGB uint8 `[H, W, 3]`.
        header: That picture's header.
    """

    sequence: int
    task: PolicyTask
    reasoning: Reasoning
    rgb: np.ndarray
    header: Header

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture, px."""
        return self.rgb.shape[1], self.rgb.shape[0]


class AnswerPublisher:
    """The policy's output topics; pictures are made only for subscribers.

    Attributes:
        publish_seconds: How long the last answer took from here until its chunk was published, s.
        overlay_seconds: How long the last overlay took to draw, to encode and to publish, s;
            0 without a subscriber.
    """

    def __init__(
        self,
        node: Node,
        form: ActionFormat,
        relative_depth: Callable[[np.ndarray], np.ndarray | None],
    ) -> None:
        """Create the publishers.

        Args:
            node: Publishes.
            form: What the columns of the actions mean.
            relative_depth: Depth codes to a map of relative depth, None where that is unknown.
        """
        self.publish_seconds = 0.0
        self.overlay_seconds = 0.0
        self._form = form
        self._relative_depth = relative_depth
        self._reasoning = node.create_publisher(ActionReasoning, "~/reasoning", qos.RESULT)
        self._depth = node.create_publisher(DepthTokens, "~/depth", qos.RESULT)
        self._trajectory = node.create_publisher(Trajectory2D, "~/trajectory", qos.RESULT)
        self._chunk = node.create_publisher(ActionChunk, "~/action_chunk", qos.RESULT)
        self._depth_image = node.create_publisher(Image, "~/depth_image", qos.PICTURE)
        self._overlay = node.create_publisher(Image, "~/overlay", qos.PICTURE)
        self._overlay_jpeg = node.create_publisher(
            CompressedImage, "~/overlay/compressed", qos.PICTURE
        )

    def publish(self, answer: TaskAnswer) -> Trajectory2D:
        """Publish an answer: its reasons first, then the chunk, and pictures when that is out.

        Returns:
            The intended path as it was published.
        """
        start = time.perf_counter()
        reasoning, header = answer.reasoning, answer.header
        chunk = chunk_to_message(reasoning, self._form, header.stamp, answer.sequence)
        message = reasoning_to_message(
            reasoning, answer.task.instruction, chunk, header, answer.size
        )
        self._reasoning.publish(message)
        self._depth.publish(message.depth)
        self._trajectory.publish(message.trajectory)
        self._chunk.publish(chunk)
        self.publish_seconds = time.perf_counter() - start
        self._publish_overlay(answer)
        self._publish_depth_image(answer)
        return message.trajectory

    def _publish_overlay(self, answer: TaskAnswer) -> None:
        raw = self._overlay.get_subscription_count() > 0
        jpeg = self._overlay_jpeg.get_subscription_count() > 0
        self.overlay_seconds = 0.0
        if not raw and not jpeg:
            return
        start = time.perf_counter()
        reasoning, header = answer.reasoning, answer.header
        points = to_pixels(reasoning.trajectory, answer.size)
        trust = "" if reasoning.valid else ": not trusted"
        label = f"chunk {answer.sequence}{trust}"
        instruction, source = answer.task.instruction, reasoning.trajectory_source
        picture = draw_overlay(answer.rgb, points, instruction, label, source)
        if raw:
            self._overlay.publish(image_from_rgb(picture, header))
        if jpeg:
            self._overlay_jpeg.publish(compressed_from_rgb(picture, header))
        self.overlay_seconds = time.perf_counter() - start

    def _publish_depth_image(self, answer: TaskAnswer) -> None:
        codes = answer.reasoning.depth_codes
        if codes is None or not self._depth_image.get_subscription_count():
            return
        depth = self._relative_depth(codes)
        if depth is not None:
            # A coloured picture, not a depth map: the values are relative, never metres.
            picture = depth_picture(depth, answer.size)
            self._depth_image.publish(image_from_rgb(picture, answer.header))
