# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Publishes what one inference said: for programs, for the executor, and last for people."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from molmoact_ros.answer import to_pixels
from molmoact_ros.msg import ActionChunk, ActionReasoning, DepthTokens, Trajectory2D
from molmoact_ros.policy.types import ActionFormat, Reasoning
from molmoact_ros.ros import qos
from molmoact_ros.ros.conversions import chunk_to_message, reasoning_to_message
from molmoact_ros.ros.images import compressed_from_rgb, image_from_rgb
from molmoact_ros.viz import depth_picture, draw_overlay


class AnswerPublisher:
    """The policy's output topics; pictures are made only while somebody listens.

    Attributes:
        publish_seconds: How long the last answer took from here until its chunk was published, s.
        overlay_seconds: How long the last overlay took to draw, to encode and to publish, s;
            0 where nobody listened.
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

    def publish(
        self,
        reasoning: Reasoning,
        instruction: str,
        rgb: np.ndarray,
        header: Header,
        sequence: int,
    ) -> Trajectory2D:
        """Publish an answer: its reasons first, then the chunk, and pictures when that is out.

        Args:
            reasoning: The answer.
            instruction: What was asked for.
            rgb: First camera's picture, RGB uint8 ``[H, W, 3]``.
            header: That picture's header.
            sequence: Number of this answer.

        Returns:
            The intended path as it was published.
        """
        start = time.perf_counter()
        size = (rgb.shape[1], rgb.shape[0])
        chunk = chunk_to_message(reasoning, self._form, header.stamp, sequence)
        message = reasoning_to_message(reasoning, instruction, chunk, header, size)
        self._reasoning.publish(message)
        self._depth.publish(message.depth)
        self._trajectory.publish(message.trajectory)
        self._chunk.publish(chunk)
        self.publish_seconds = time.perf_counter() - start
        self._publish_overlay(reasoning, instruction, rgb, header, sequence)
        self._publish_depth_image(reasoning, header, size)
        return message.trajectory

    def _publish_overlay(
        self,
        reasoning: Reasoning,
        instruction: str,
        rgb: np.ndarray,
        header: Header,
        sequence: int,
    ) -> None:
        raw, jpeg = (
            publisher.get_subscription_count() > 0
            for publisher in (self._overlay, self._overlay_jpeg)
        )
        self.overlay_seconds = 0.0
        if not raw and not jpeg:
            return
        start = time.perf_counter()
        points = to_pixels(reasoning.trajectory, (rgb.shape[1], rgb.shape[0]))
        label = f"chunk {sequence}" if reasoning.valid else f"chunk {sequence}: not trusted"
        picture = draw_overlay(rgb, points, instruction, label, reasoning.trajectory_source)
        if raw:
            self._overlay.publish(image_from_rgb(picture, header))
        if jpeg:
            self._overlay_jpeg.publish(compressed_from_rgb(picture, header))
        self.overlay_seconds = time.perf_counter() - start

    def _publish_depth_image(
        self, reasoning: Reasoning, header: Header, size: tuple[int, int]
    ) -> None:
        if reasoning.depth_codes is None or not self._depth_image.get_subscription_count():
            return
        depth = self._relative_depth(reasoning.depth_codes)
        if depth is not None:
            # A coloured picture, not a depth map: the values are relative, never metres.
            self._depth_image.publish(image_from_rgb(depth_picture(depth, size), header))
