# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One camera's pictures of all episodes as H.264 videos, as LeRobotDataset v3 has them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from molmoact_ros.output_files import writing

CODEC, PIXEL_FORMAT = "h264", "yuv420p"
_ENCODER = "libx264"
# A key picture every second one, so that any picture is found fast; nearly without loss.
_OPTIONS = {"g": "2", "crf": "18", "preset": "veryfast"}


@dataclass(frozen=True)
class VideoPlace:
    """Where an episode is.

    Attributes:
        file: Number of the video.
        start: s in the video.
        end: s in the video.
    """

    file: int
    start: float
    end: float


class VideoFiles:
    """Writes the videos of one camera; an episode is never parted."""

    def __init__(self, pattern: str, fps: float, max_bytes: int) -> None:
        """Start.

        Args:
            pattern: Path with the field {file}.
            fps: Pictures per second.
            max_bytes: Size after which a new video begins, before the next episode.
        """
        self._pattern = pattern
        self._rate = Fraction(fps).limit_denominator(1000)
        self._max_bytes = max_bytes
        self._file = -1
        self._container: Any = None
        self._stream: Any = None
        self._written = self._begin = 0  # pictures in the present video
        self.size: tuple[int, int] | None = None  # width and height, px

    def begin_episode(self) -> None:
        """Begin an episode."""
        if self._container is not None and self._path().stat().st_size > self._max_bytes:
            self.close()
        self._begin = self._written

    def add(self, rgb: np.ndarray) -> None:
        """Add a picture, RGB uint8 ``[H, W, 3]``; odd sides are enlarged by a pixel.

        Raises:
            ValueError: It has another size than the first one.
        """
        size = (rgb.shape[1], rgb.shape[0])
        if self.size is not None and size != self.size:
            raise ValueError(
                f"a picture of {size[0]}x{size[1]} px after those of "
                f"{self.size[0]}x{self.size[1]} px"
            )
        self.size = size
        even = (size[0] + size[0] % 2, size[1] + size[1] % 2)
        if even != size:
            rgb = cv2.resize(rgb, even, interpolation=cv2.INTER_LINEAR)
        with writing(self._path() if self._container else self._pattern):
            if self._container is None:
                self._open(even)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            frame.pts = self._written
            self._container.mux(self._stream.encode(frame))
        self._written += 1

    def end_episode(self) -> VideoPlace:
        """End an episode and return where it is."""
        return VideoPlace(
            self._file, float(self._begin / self._rate), float(self._written / self._rate)
        )

    def close(self) -> None:
        """End the present video."""
        if self._container is None:
            return
        container, self._container = self._container, None
        with writing(self._path()):
            try:
                container.mux(self._stream.encode())
            finally:
                container.close()
        self._written = 0

    def abandon(self) -> None:
        """Close the file without a word; what is in it does not matter."""
        if self._container is not None:
            container, self._container = self._container, None
            try:
                container.close()
            except OSError:
                pass

    def _path(self) -> Path:
        return Path(self._pattern.format(file=self._file))

    def _open(self, size: tuple[int, int]) -> None:
        self._file += 1
        path = self._path()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._container = av.open(str(path), "w")
        self._stream = self._container.add_stream(_ENCODER, self._rate, options=_OPTIONS)
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = PIXEL_FORMAT
        self._stream.time_base = 1 / self._rate
