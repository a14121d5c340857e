# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Images of depth cameras in m (REP-118)."""

from __future__ import annotations

import numpy as np

from molmoact_ros.policy.pixels import (
    MAX_IMAGE_PIXELS,
    ImageError,
    ImageMessage,
    pixel_rows,
    shortened,
)

_MILLIMETRE = 0.001
_TYPES: dict[str, np.dtype] = {
    "32FC1": np.dtype("f4"),
    "16UC1": np.dtype("u2"),
    "mono16": np.dtype("u2"),
}


def metres_from_image(
    message: ImageMessage, topic: str, max_pixels: int = MAX_IMAGE_PIXELS
) -> np.ndarray:
    """Read a depth image.

    Args:
        message: Encoding 32FC1 (m), 16UC1 or mono16 (mm).
        topic: Named in errors.
        max_pixels: Larger images are refused before anything is computed from them.

    Returns:
        float32 `[H, W]` along the optical axis, m; holes are 0 or NaN, as in the message.

    Raises:
        ImageError: Another encoding, too many pixels, or the data does not fit height and step.
    """
    kind = _TYPES.get(message.encoding)
    if kind is None:
        known = ", ".join(_TYPES)
        encoding = shortened(message.encoding)
        raise ImageError(f"{topic}: depth encoding {encoding} is not one of {known}")
    kind = kind.newbyteorder(">" if message.is_bigendian else "<")
    rows = pixel_rows(message, topic, kind.itemsize, max_pixels)
    values = np.ascontiguousarray(rows).view(kind).astype(np.float32)
    return values if message.encoding == "32FC1" else values * np.float32(_MILLIMETRE)
