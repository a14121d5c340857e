# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Pictures for people: trajectory overlay, depth, frames for videos, and the steering line."""

from molmoact_ros.viz.depth import depth_picture, side_by_side
from molmoact_ros.viz.overlay import draw_hint, draw_overlay, path_colours

from .overlay_video import OverlayVideo
from .video import VideoFile

__all__ = [
    "VideoFile",
    "OverlayVideo",
    "depth_picture",
    "draw_hint",
    "draw_overlay",
    "path_colours",
    "side_by_side",
]
