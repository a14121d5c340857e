# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The newest picture of a camera, as a JPEG for browsers; encoded when one asks, once for all."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

import cv2

from molmoact_ros.policy.image_headers import declared_size
from molmoact_ros.policy.pixels import (
    MAX_IMAGE_PIXELS,
    ImageError,
    check_compressed,
    jpeg_from_rgb,
    rgb_from_compressed,
    rgb_from_image,
)

from .readings import CameraReading

_WIDEST = 1280  # px; larger pictures are made smaller
_LARGEST = 400_000  # bytes of a compressed picture that is handed on as it is
_RATE_WINDOW = 2.0  # s


@dataclass(frozen=True)
class Encoded:
    """A picture for a browser."""

    number: int
    data: bytes
    kind: str


@dataclass(frozen=True)
class _Arrived:
    number: int = 0
    message: Any = None
    received: float = 0.0
    delay: float = 0.0


class PictureFeed:
    """The pictures of one topic; messages come from one thread, browsers ask in another."""

    def __init__(self, topic: str, *, compressed: bool) -> None:
        """Wait for the first message.

        Args:
            topic: Named in what is wrong.
            compressed: Whether the messages are CompressedImage.
        """
        self.topic = topic
        self._compressed = compressed
        self._newest = _Arrived()
        self._times: deque[float] = deque(maxlen=200)
        self._encoded = Encoded(0, b"", "")
        self._problem = ""
        self._lock = threading.Lock()

    def take(self, message: Any, now: float, delay: float) -> None:
        """Keep a message.

        Args:
            message: Image or CompressedImage.
            now: s.
            delay: s from its stamp to now by the node's clock.
        """
        self._times.append(now)
        self._newest = _Arrived(self._newest.number + 1, message, now, delay)

    def reading(self, now: float) -> CameraReading:
        """Return what is known without looking at the picture."""
        newest = self._newest
        recent = sum(time > now - _RATE_WINDOW for time in self._times.copy())
        return CameraReading(
            self.topic,
            newest.number,
            newest.received,
            newest.delay,
            recent / _RATE_WINDOW,
            self._problem,
        )

    def encoded(self) -> Encoded | None:
        """Return the newest picture, None where there is none that can be read."""
        with self._lock:
            newest = self._newest
            if newest.number == 0:
                return None
            if newest.number != self._encoded.number:
                try:
                    data, kind = self._encode(newest.message)
                except ImageError as error:
                    self._problem = str(error)[:300]
                    return None
                self._problem = ""
                self._encoded = Encoded(newest.number, data, kind)
            return self._encoded

    def _encode(self, message: Any) -> tuple[bytes, str]:
        if not self._compressed:
            return jpeg_from_rgb(_smaller(rgb_from_image(message, self.topic))), "image/jpeg"
        check_compressed(message, self.topic, MAX_IMAGE_PIXELS)
        data = bytes(message.data)
        if declared_size(memoryview(data))[0] <= _WIDEST and len(data) <= _LARGEST:
            return data, "image/jpeg" if data[:2] == b"\xff\xd8" else "image/png"
        rgb = rgb_from_compressed(message, self.topic, MAX_IMAGE_PIXELS)
        return jpeg_from_rgb(_smaller(rgb)), "image/jpeg"


def _smaller(rgb: Any) -> Any:
    height, width = rgb.shape[:2]
    if width <= _WIDEST:
        return rgb
    return cv2.resize(rgb, (_WIDEST, max(1, height * _WIDEST // width)), None, 0, 0, cv2.INTER_AREA)
