# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Writes a video frame by frame."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from molmoact_ros.output_files import WriteError, writing


class VideoFile:
    """A video `<stem>.mp4`; nothing is written where OpenCV has no encoder."""

    def __init__(self, stem: Path, rate: float) -> None:
        """Write nothing yet.

        Args:
            stem: Path without suffix.
            rate: Frames per second.
        """
        self._path = stem.with_suffix(".mp4")
        self._rate = rate
        self._size: tuple[int, int] | None = None
        self._writer = cv2.VideoWriter()
        self._count = 0

    def add(self, rgb: np.ndarray) -> None:
        """Add a frame, RGB uint8 `[H, W, 3]`; one of another size is scaled to the first one's."""
        size = (rgb.shape[1], rgb.shape[0])
        if self._size is None:
            self._size = size
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer.open(str(self._path), code, self._rate, size)
        if size != self._size:
            rgb = cv2.resize(rgb, self._size, interpolation=cv2.INTER_AREA)
        self._writer.write(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        self._count += 1

    def close(self) -> Path | None:
        """Finish the file and return its path; None when there is no frame or no encoder.

        Raises:
            WriteError: It could not be written.
        """
        if self._size is None:
            return None
        if not self._writer.isOpened():
            with writing(self._path):  # a full disk is an error, a missing encoder is none
                self._path.write_bytes(bytes(1))
            self._path.unlink()
            return None
        self._writer.release()
        # OpenCV reports no errors; the number of frames is what is written last.
        written = int(cv2.VideoCapture(str(self._path)).get(cv2.CAP_PROP_FRAME_COUNT))
        if written < self._count:  # one more after Ctrl-C
            raise WriteError(self._path, f"it has {written} of {self._count} frames; disk full?")
        return self._path
