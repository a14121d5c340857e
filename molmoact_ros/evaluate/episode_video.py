# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A video per episode: camera, trajectory, and depth beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from molmoact_ros.policy.types import Reasoning
from molmoact_ros.viz import OverlayVideo, depth_picture

from .episode import Episode

_RATE = 10.0  # frames per second, as the simulator's camera
_DEPTH_SIZE = (252, 252)  # px


class EpisodeVideo(OverlayVideo):
    """The video of one episode."""

    def __init__(self, folder: Path, episode: Episode) -> None:
        """Put the video into `folder`, which is made; series, seed and words are its name."""
        folder.mkdir(parents=True, exist_ok=True)
        words = episode.instruction
        name = f"{episode.series}_{episode.variation}_{episode.seed}_{words.replace(' ', '_')}"
        super().__init__(folder / name, _RATE, words)

    def show(self, reasoning: Reasoning, number: int, depth: np.ndarray | None) -> None:
        """Show an answer from now on.

        Args:
            reasoning: The answer.
            number: Of the answer.
            depth: Relative depth, float `[h, w]`; None: the last one stays.
        """
        trust = "" if reasoning.valid else ": not trusted"
        label = f"chunk {number}{trust}"
        self.plan(reasoning.trajectory, label, reasoning.trajectory_source)
        if depth is not None:
            self.depth = depth_picture(depth, _DEPTH_SIZE)
