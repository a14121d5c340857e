# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Camera topics into a FrameMatcher, and whether frames arrive: often enough, whole, in time."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from molmoact_ros.policy.frame_matcher import Frame, FrameMatcher
from molmoact_ros.policy.pixels import (
    ImageError,
    check_compressed,
    rgb_from_compressed,
    rgb_from_image,
)
from molmoact_ros.ros import qos
from molmoact_ros.ros.conversions import clock_seconds, seconds
from molmoact_ros.ros.diagnostics import Diagnosis, Level
from molmoact_ros.ros.node_thread import CallbackThread
from molmoact_ros.ros.running import ClosableNode

from .inference import GRACE, log_dropped

RAW = "raw"
COMPRESSED = "compressed"

_LONGEST_FRAME_ID = 256  # characters; five messages of each answer repeat it
_RARE = 2.0  # frames per second; a camera that is slower is reported
_SETTLED = 5.0  # s after the start in which nothing is reported
# Of the frames in one period, from which on it is a fault of the set-up.
_SHARE_DROPPED = 0.5
_SHARE_LOST = 0.2
_LOG_PERIOD = 30.0  # s
_REMEDY = "use config/fastdds.xml for all processes, or image_transport compressed"


class GapCounter:
    """Counts the gaps in the numbers that a publisher gives its messages.

    Attributes:
        missing: Messages that never arrived; those before the first that did are not known.
    """

    def __init__(self) -> None:
        """Start at zero."""
        self.missing = 0
        self._publisher: Hashable = None
        self._last: int | None = None

    def add(self, publisher: Hashable, number: int | None) -> None:
        """Take note of a message that arrived.

        Args:
            publisher: Which one sent it; another one, such as a restarted driver, counts anew.
            number: That it gave the message; None: the middleware does not provide it.
        """
        if number is None:
            return
        if self._last is not None and publisher == self._publisher:
            self.missing += max(number - self._last - 1, 0)
        self._publisher, self._last = publisher, number


class _Counts(NamedTuple):
    """Frames of a camera since the node was configured."""

    received: int = 0
    dropped: int = 0
    lost: int = 0


@dataclass
class _Camera:
    """What is known of a camera.

    Attributes:
        topic: With remappings.
        received: Frames since the node was configured.
        newest: Stamp of the newest frame, s; None before the first.
        delay: Longest time from stamp to being ready since the last status, s.
        gaps: Counts frames that were published but did not arrive.
        counts: As of the last status.
    """

    topic: str
    received: int = 0
    newest: float | None = None
    delay: float | None = None
    gaps: GapCounter = field(default_factory=GapCounter)
    counts: _Counts = _Counts()


class CameraInputs:
    """Subscribes to cameras and, between `start` and `stop`, hands frames to the matcher.

    Attributes:
        names: Of the cameras, in the order in which the model sees them.
        callbacks: The thread that receives frames.
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
            transport: `raw` (Image) or `compressed` (CompressedImage).
            matcher: Takes the frames, and counts those that cannot be read.
            max_pixels: Limit of width x height, as it is declared, of a frame.
        """
        self._node = node
        self._matcher = matcher
        self._max_pixels = max_pixels
        self._begin = self._reported = time.monotonic()
        self._cameras: dict[str, _Camera] = {}
        self.names = tuple(topics)
        self.callbacks = CallbackThread(node, "cameras")
        compressed = transport == COMPRESSED
        kind = CompressedImage if compressed else Image
        read = self._read_compressed if compressed else self._read_raw
        for name, topic in topics.items():
            camera = self._cameras[name] = _Camera(str(node.resolve_topic_name(topic)))
            take = functools.partial(self._on_image, name, read)
            if qos.HAS_MESSAGE_INFO:
                take = functools.partial(_count_gap, camera.gaps, take)
            node.create_subscription(
                kind, topic, take, qos.IMAGE, callback_group=self.callbacks.group
            )

    def start(self) -> None:
        """Receive frames, in a thread of their own."""
        self._begin = self._reported = time.monotonic()
        for name, camera in self._cameras.items():
            camera.counts = self._count(name)
        self.callbacks.start()

    def stop(self) -> None:
        """Receive no more."""
        self.callbacks.stop()

    def status(self, waiting_for: str) -> Diagnosis:
        """Return the state since the last call, and log what is wrong with the set-up.

        Args:
            waiting_for: Why there is no inference now.
        """
        elapsed = max(time.monotonic() - self._reported, 1e-3)
        self._reported += elapsed
        values: dict[str, object] = {}
        problems = []
        for name, camera in self._cameras.items():
            before, camera.counts = camera.counts, self._count(name)
            new = _Counts(*(now - old for now, old in zip(camera.counts, before, strict=True)))
            values |= {
                f"received {name}": camera.counts.received,
                f"dropped {name}": camera.counts.dropped,
                f"lost {name}": camera.counts.lost,
                f"rate {name} [Hz]": f"{new.received / elapsed:.1f}",
                **self._times(name, camera),
            }
            if self._reported >= self._begin + _SETTLED:
                problems += self._problems(name, camera.topic, new, elapsed)
        if problems:
            self._node.get_logger().warning("; ".join(problems), throttle_duration_sec=_LOG_PERIOD)
        if self._reported >= self._begin + GRACE and waiting_for.startswith("camera "):
            problems.insert(0, waiting_for)  # the inference logs that itself
        level = Level.WARN if problems else Level.OK
        return Diagnosis(level, "; ".join(problems) or "ok", values)

    def _count(self, name: str) -> _Counts:
        camera = self._cameras[name]
        return _Counts(camera.received, self._matcher.dropped[name], camera.gaps.missing)

    def _times(self, name: str, camera: _Camera) -> dict[str, str]:
        lead = next(iter(self._cameras.values())).newest
        if camera.newest is None or lead is None:
            return {}
        values = {
            f"age {name} [s]": f"{clock_seconds(self._node) - camera.newest:.3f}",
            f"skew {name} [s]": f"{camera.newest - lead:.3f}",
        }
        delay, camera.delay = camera.delay, None
        if delay is not None:
            values[f"longest delay {name} [s]"] = f"{delay:.3f}"
        return values

    def _problems(self, name: str, topic: str, new: _Counts, elapsed: float) -> list[str]:
        if new.dropped > _SHARE_DROPPED * new.received:
            return [f"camera '{name}': most frames of {topic} cannot be used"]
        sent = new.received + new.lost
        if new.lost > _SHARE_LOST * sent:
            return [
                f"camera '{name}': {new.lost} of {sent} frames of {topic} got lost on the way; "
                f"raw images need room in shared memory: {_REMEDY}"
            ]
        if new.received >= _RARE * elapsed:
            return []
        if self._node.count_publishers(topic) == 0:
            return [f"camera '{name}': nobody publishes {topic}"]
        return [
            f"camera '{name}': {new.received / elapsed:.1f} frames per second arrive on {topic}; "
            f"if it sends more, large images get lost on the way: {_REMEDY}"
        ]

    def _on_image(
        self, name: str, read: Callable[[Any, str], Callable[[], np.ndarray]], message: Any
    ) -> None:
        camera = self._cameras[name]
        camera.received += 1
        stamp = seconds(message.header.stamp)
        try:
            if stamp == 0.0:
                raise ImageError(f"{camera.topic}: header.stamp is zero, frames cannot be matched")
            if (length := len(message.header.frame_id)) > _LONGEST_FRAME_ID:
                raise ImageError(
                    f"{camera.topic}: header.frame_id has {length} characters, "
                    f"more than {_LONGEST_FRAME_ID}"
                )
            pixels = read(message, camera.topic)
        except ImageError as error:
            self._matcher.drop(name)
            log_dropped(self._node, error)
            return
        camera.newest = stamp
        self._matcher.add(name, Frame(stamp, message.header, pixels))
        delay = clock_seconds(self._node) - stamp
        camera.delay = delay if camera.delay is None else max(delay, camera.delay)

    def _read_raw(self, message: Image, topic: str) -> Callable[[], np.ndarray]:
        rgb = rgb_from_image(message, topic, self._max_pixels)
        return lambda: rgb

    def _read_compressed(self, message: CompressedImage, topic: str) -> Callable[[], np.ndarray]:
        check_compressed(message, topic, self._max_pixels)
        # Decoding costs milliseconds and most frames are never used, so it waits.
        return functools.partial(rgb_from_compressed, message, topic, self._max_pixels)


def _count_gap(
    gaps: GapCounter, take: Callable[[Any], None], message: Any, info: Mapping[str, Any]
) -> None:
    publisher = info["publisher_gid"]["data"] if "publisher_gid" in info else None
    gaps.add(publisher, info.get("publication_sequence_number"))
    take(message)
