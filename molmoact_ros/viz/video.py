# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Writes a film while it happens."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from molmoact_ros.output_files import WriteError, writing

_GIF_RATE = 5.0  # frames per second
_GIF_WIDTH = 480  # px


class Film:
    """Frames of one size into ``<stem>.mp4``, or ``<stem>.gif`` where OpenCV has no encoder."""

    def __init__(self, stem: Path, rate: float) -> None:
        """Write nothing yet.

        Args:
            stem: Path without suffix.
            rate: Frames per second.
        """
        self._stem = stem
        self._rate = rate
        self._writer: cv2.VideoWriter | None = None
        self._gif: list[np.ndarray] = []
        self._count = 0

    def add(self, rgb: np.ndarray) -> None:
        """Add a frame, RGB uint8 ``[H, W, 3]``, always of the same, even size."""
        bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        if self._writer is None:
            size = (rgb.shape[1], rgb.shape[0])
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._mp4), code, self._rate, size)
        if self._writer.isOpened():
            self._writer.write(bgr)
        elif self._count % max(1, round(self._rate / _GIF_RATE)) == 0:
            height = round(rgb.shape[0] * _GIF_WIDTH / rgb.shape[1])
            self._gif.append(cv2.resize(bgr, (_GIF_WIDTH, height), interpolation=cv2.INTER_AREA))
        self._count += 1

    def close(self) -> Path | None:
        """Finish the file and return its path; None when there is no frame or no encoder.

        Raises:
            WriteError: It could not be written.
        """
        if self._writer is None:
            return None
        opened = self._writer.isOpened()
        self._writer.release()
        if opened:
            # OpenCV does not tell of errors; the number of frames is what is written last.
            written = int(cv2.VideoCapture(str(self._mp4)).get(cv2.CAP_PROP_FRAME_COUNT))
            if written < self._count:  # one more after Ctrl-C
                raise WriteError(self._mp4, f"it has {written} of {self._count} frames; disk full?")
            return self._mp4
        if not hasattr(cv2, "imencodeanimation"):  # OpenCV < 4.12
            return None
        animation = cv2.Animation()
        animation.frames = self._gif
        animation.durations = [round(1000 / _GIF_RATE)] * len(self._gif)  # ms
        path = self._stem.with_suffix(".gif")
        with writing(path):
            path.write_bytes(cv2.imencodeanimation(".gif", animation)[1].tobytes())
        return path

    @property
    def _mp4(self) -> Path:
        return self._stem.with_suffix(".mp4")
