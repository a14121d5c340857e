# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of an answer: the overlay, the depth, and both as a frame of the film."""

from __future__ import annotations

import cv2
import numpy as np

from molmoact_ros.answer import to_pixels
from molmoact_ros.viz import depth_picture, draw_overlay, side_by_side

from .run import Answer

_FILM_HEIGHT = 480  # px; smaller pictures are enlarged, so that the text can be read


def overlay_picture(answer: Answer, rgb: np.ndarray | None = None) -> np.ndarray:
    """Draw the trajectory, as the policy node does.

    Args:
        answer: What was said.
        rgb: The picture at another size; None: as it was.

    Returns:
        RGB uint8, same size.
    """
    rgb = answer.rgb if rgb is None else rgb
    reasoning = answer.reasoning
    trust = "" if reasoning.valid else ": not trusted"
    points = to_pixels(reasoning.trajectory, (rgb.shape[1], rgb.shape[0]))
    label = f"chunk {answer.sequence}{trust}"
    return draw_overlay(rgb, points, answer.instruction, label, reasoning.trajectory_source)


def depth_image(answer: Answer) -> np.ndarray | None:
    """Return the depth at the picture's size, RGB uint8; None where there is none."""
    if answer.relative_depth is None:
        return None
    return depth_picture(answer.relative_depth, (answer.rgb.shape[1], answer.rgb.shape[0]))


def film_frame(answer: Answer) -> np.ndarray:
    """Return overlay and depth side by side, RGB uint8; black where there is no depth."""
    scale = max(_FILM_HEIGHT / answer.rgb.shape[0], 1.0)
    large = cv2.resize(answer.rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    size = (large.shape[1], large.shape[0])
    if answer.relative_depth is None:
        depth = np.zeros_like(large)
    else:
        depth = depth_picture(answer.relative_depth, size)
    return side_by_side(overlay_picture(answer, large), depth)
