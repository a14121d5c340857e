# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the model perceives: relative depth as a picture."""

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from molmoact_ros.viz.text import put_text

_LABEL = "relative depth"  # decoded codes have no metric scale; never let it look like metres
_GAP = 0.02  # gap between two pictures, of the height


def depth_picture(depth: ArrayLike, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Colour a map of relative depth.

    Args:
        depth: float [h, w]; it is stretched to its own range, values that are not finite are
            shown black.
        size: width and height of the picture in pixels.

    Returns:
        RGB uint8 [height, width, 3]; dark is the smallest value, bright the largest.

    Raises:
        ValueError: when depth is not two-dimensional or is empty.
    """
    array = np.asarray(depth, dtype=np.float32)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"depth must be a map [h, w]; its shape is {array.shape}")
    finite = np.isfinite(array)
    low, high = (array[finite].min(), array[finite].max()) if finite.any() else (0.0, 0.0)
    grey = np.where(finite, (array - low) / max(high - low, 1e-8), 0).astype(np.float32)
    large = cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR)
    bytes_ = np.rint(large * 255).astype(np.uint8)
    picture = cv2.cvtColor(cv2.applyColorMap(bytes_, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    put_text(picture, _LABEL, "bottom")
    return picture


def side_by_side(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Put two RGB pictures into one frame of the left one's height, sizes even for video.

    Args:
        left: RGB uint8 [H, W, 3], such as the overlay.
        right: RGB uint8, such as the depth picture; scaled to H.

    Returns:
        RGB uint8; width and height are even, as video encoders require.
    """
    height = left.shape[0]
    width = round(right.shape[1] * height / right.shape[0])
    if right.shape[:2] != (height, width):
        right = cv2.resize(right, (width, height), interpolation=cv2.INTER_AREA)
    gap = np.zeros((height, max(round(height * _GAP), 2), 3), np.uint8)
    frame = np.hstack([left, gap, right])
    return np.pad(frame, ((0, height % 2), (0, frame.shape[1] % 2), (0, 0)))
