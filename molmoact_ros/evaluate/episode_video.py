# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A film per episode: camera, trajectory, and depth beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from molmoact_ros.answer.trajectory import GRID_MAX
from molmoact_ros.policy.types import Reasoning
from molmoact_ros.viz import OverlayFilm, depth_picture

from .episode import Episode

RATE = 10.0  # pictures per second, as the simulator's camera
_DEPTH_SIZE = (252, 252)  # px

RelativeDepth = Callable[[np.ndarray], np.ndarray | None]


class EpisodeFilm(OverlayFilm):
    """The film of one episode in one process."""

    def __init__(self, stem: Path, episode: Episode, relative_depth: RelativeDepth) -> None:
        super().__init__(stem, RATE, episode.words.instruction)
        self._relative_depth = relative_depth

    def show(self, reasoning: Reasoning, number: int) -> None:
        """Show an answer from now on."""
        trust = "" if reasoning.valid else ": not trusted"
        label = f"chunk {number}{trust}"
        self.plan(reasoning.trajectory / GRID_MAX, label, reasoning.trajectory_source)
        codes = reasoning.depth_codes
        depth = None if codes is None else self._relative_depth(codes)
        if depth is not None:
            self.depth = depth_picture(depth, _DEPTH_SIZE)


class EpisodeFilms:
    """Makes the films of a run."""

    def __init__(self, folder: Path, relative_depth: RelativeDepth) -> None:
        """Put films into ``folder``; ``relative_depth`` decodes depth codes."""
        self._folder = folder
        self._relative_depth = relative_depth

    def film(self, episode: Episode) -> EpisodeFilm:
        """Begin the film of an episode."""
        return EpisodeFilm(film_stem(self._folder, episode), episode, self._relative_depth)


def film_stem(folder: Path, episode: Episode) -> Path:
    """Return the path of an episode's film without suffix; makes the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    words = episode.words.instruction.replace(" ", "_")
    return folder / f"{episode.series}_{episode.variation}_{episode.seed}_{words}"
