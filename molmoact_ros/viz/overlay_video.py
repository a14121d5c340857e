# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A video of what a policy sees, intends and perceives."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from molmoact_ros.answer import to_pixels
from molmoact_ros.viz.depth import side_by_side
from molmoact_ros.viz.overlay import Source, draw_overlay

from .video import VideoFile

_HEIGHT = 480  # px; smaller pictures are enlarged, so that the text can be read


class OverlayVideo:
    """Camera pictures with the latest trajectory, and the latest depth picture beside them.

    Attributes:
        instruction: Shown along the top.
        depth: RGB uint8 `[h, w, 3]`, the latest; None: black.
    """

    def __init__(self, stem: Path, rate: float, instruction: str) -> None:
        """Write nothing yet.

        Args:
            stem: Path of the video without suffix.
            rate: Frames per second.
            instruction: Shown along the top.
        """
        self._video = VideoFile(stem, rate)
        self.instruction = instruction
        self.plan((), "")
        self.depth: NDArray[np.uint8] | None = None

    def plan(self, points: ArrayLike, label: str, source: Source = "predicted") -> None:
        """Show a trajectory from now on.

        Args:
            points: `[K, 2]` (x, y), 0..255 of the picture.
            label: Along the bottom, such as "chunk 12".
            source: Who drew it.
        """
        self._points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        self._label, self._source = label, source

    def add(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Add a camera picture, RGB uint8 `[H, W, 3]`, and return the frame as it is shown."""
        scale = max(_HEIGHT / rgb.shape[0], 1.0)
        large = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        points = to_pixels(self._points, (large.shape[1], large.shape[0]))
        picture = draw_overlay(large, points, self.instruction, self._label, self._source)
        depth = np.zeros_like(rgb) if self.depth is None else self.depth
        frame = side_by_side(picture, depth)
        self._video.add(frame)
        return frame

    def close(self) -> Path | None:
        """Finish the file, as `VideoFile.close`."""
        return self._video.close()
