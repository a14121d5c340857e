# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Camera topics into a FrameMatcher; what can not be read is dropped and counted."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from molmoact_ros.policy.frame_matcher import Frame, FrameMatcher
from molmoact_ros.ros import qos
from molmoact_ros.ros.callback_thread import CallbackThread
from molmoact_ros.ros.conversions import seconds
from molmoact_ros.ros.images import (
    ImageError,
    check_compressed,
    rgb_from_compressed,
    rgb_from_image,
)
from molmoact_ros.ros.running import ClosableNode

from .lost_messages import GapCounter

RAW = "raw"
COMPRESSED = "compressed"

_LONGEST_FRAME_ID = 256  # characters; five messages of each answer repeat it

# Since Iron callbacks can learn which number the publisher gave a message.
_HAS_NUMBERS = hasattr(Subscription, "CallbackType")


class CameraInputs:
    """Subscribes to cameras and, between `start` and `stop`, hands frames to the matcher.

    Attributes:
        callbacks: The thread that receives them.
        received: Frames by camera.
        dropped: Frames by camera that could not be used.
        newest: Stamp by camera of the newest frame, s; absent before the first.
    """

    def __init__(
        self,
        node: ClosableNode,
        topics: Mapping[str, str],
        transport: str,
        matcher: FrameMatcher,
        max_pixels: int,
    ) -> None:
        """Subscribe; nothing is received before `start`.

        Args:
            node: Subscribes and logs.
            topics: Topic of each camera.
            transport: ``raw`` (Image) or ``compressed`` (CompressedImage).
            matcher: Takes the frames.
            max_pixels: Limit of width x height, as it is declared, of a frame.
        """
        self._node = node
        self._matcher = matcher
        self._max_pixels = max_pixels
        self._topics = dict(topics)
        self.newest: dict[str, float] = {}
        self._delays: dict[str, float] = {}
        self.received = dict.fromkeys(topics, 0)
        self.dropped = dict.fromkeys(topics, 0)
        self._gaps = {camera: GapCounter() for camera in topics}
        kind, read = (
            (CompressedImage, self._read_compressed)
            if transport == COMPRESSED
            else (Image, self._read_raw)
        )
        self.callbacks = CallbackThread(node, "cameras")
        for camera, topic in self._topics.items():
            take = functools.partial(self._on_image, camera, read)
            if _HAS_NUMBERS:
                take = functools.partial(self._on_numbered, camera, take)
            node.create_subscription(
                kind, topic, take, qos.IMAGE, callback_group=self.callbacks.group
            )

    def start(self) -> None:
        """Receive frames, in a thread of their own."""
        self.callbacks.start()

    def stop(self) -> None:
        """Receive no more."""
        self.callbacks.stop()

    def topic(self, camera: str) -> str:
        """Return the topic of a camera, with remappings."""
        return str(self._node.resolve_topic_name(self._topics[camera]))

    def lost(self, camera: str) -> int:
        """Return how many frames were published but did not arrive, as far as it is known."""
        return self._gaps[camera].missing

    def take_delays(self) -> dict[str, float]:
        """Return the longest time from stamp to being ready, s, of each camera since last asked."""
        delays, self._delays = self._delays, {}
        return delays

    def drop(self, camera: str, frame: Frame, reason: str) -> None:
        """Forget a frame whose pixels turned out to be unreadable."""
        self._matcher.drop(camera, frame)
        self._count_drop(camera, reason)

    def _on_numbered(
        self, camera: str, take: Callable[[Any], None], message: Any, info: Mapping[str, Any]
    ) -> None:
        publisher = info["publisher_gid"]["data"] if "publisher_gid" in info else None
        self._gaps[camera].add(publisher, info.get("publication_sequence_number"))
        take(message)

    def _on_image(
        self, camera: str, read: Callable[[Any, str], Callable[[], np.ndarray]], message: Any
    ) -> None:
        self.received[camera] += 1
        topic = self._topics[camera]
        stamp = seconds(message.header.stamp)
        try:
            if stamp == 0.0:
                raise ImageError(f"{topic}: header.stamp is zero, frames cannot be matched")
            if (length := len(message.header.frame_id)) > _LONGEST_FRAME_ID:
                raise ImageError(
                    f"{topic}: header.frame_id has {length} characters, "
                    f"more than {_LONGEST_FRAME_ID}"
                )
            pixels = read(message, topic)
        except ImageError as error:
            self._count_drop(camera, str(error))
            return
        self.newest[camera] = stamp
        self._matcher.add(camera, Frame(stamp, message.header, pixels))
        delay = self._node.get_clock().now().nanoseconds * 1e-9 - stamp
        self._delays[camera] = max(delay, self._delays.get(camera, delay))

    def _read_raw(self, message: Image, topic: str) -> Callable[[], np.ndarray]:
        rgb = rgb_from_image(message, topic, self._max_pixels)
        return lambda: rgb

    def _read_compressed(
        self, message: CompressedImage, topic: str
    ) -> Callable[[], np.ndarray]:
        check_compressed(message, topic, self._max_pixels)
        # Decoding costs milliseconds and most frames are never used, so it waits.
        return functools.partial(rgb_from_compressed, message, topic, self._max_pixels)

    def _count_drop(self, camera: str, reason: str) -> None:
        self.dropped[camera] += 1
        self._node.get_logger().warning(f"frame dropped: {reason}", throttle_duration_sec=2.0)
