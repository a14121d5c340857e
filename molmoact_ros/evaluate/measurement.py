# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What happens in one episode, whoever runs it: the way, the answers, and whether it succeeds."""

from __future__ import annotations

import numpy as np

from molmoact_ros.sim import CameraModel, Judge, Tabletop

from .episode import Episode, Moment
from .results import EpisodeResult
from .steering import LineJudge, line_to_block

_STEP = 0.005  # m; smaller movements do not count as path, they are noise


class Measurement:
    """Watches one episode.

    Attributes:
        line: `[K, 2]`, 0..255 of the camera's picture, the drawn line of a steered episode;
            None in others.
    """

    def __init__(self, episode: Episode, start: Moment, camera: CameraModel) -> None:
        """Begin.

        Args:
            episode: What is tried.
            start: The cell at the beginning.
            camera: The external camera, as it stands in this scene.
        """
        self._episode = episode
        self._block = Tabletop.colors.index(episode.task.color)
        self._first = self._now = start
        self._judge = Judge(episode.task, start.blocks)
        self.line: np.ndarray | None = None
        self._line_judge: LineJudge | None = None
        if episode.is_steered:
            self.line = line_to_block(camera, start.gripper, start.blocks[self._block])
            self._line_judge = LineJudge(camera, self.line)
        self._succeeded = False
        self._way_mark = start.gripper
        self._path = 0.0
        self._passes: list[int] = []
        self._seconds: list[float] = []
        self._refused = 0

    def add_answer(self, passes: int, seconds: float, trusted: bool) -> None:
        """Count one answer: forward passes, duration in s, and whether it had no problems."""
        self._passes.append(passes)
        self._seconds.append(seconds)
        self._refused += not trusted

    def update(self, now: Moment) -> bool:
        """Take the cell at a later time; return whether the episode has succeeded."""
        self._now = now
        step = float(np.linalg.norm(now.gripper - self._way_mark))
        if step >= _STEP:
            self._path += step
            self._way_mark = now.gripper
        done = self._judge.update(now.time, now.gripper, now.blocks)
        if self._line_judge is not None:
            done = self._line_judge.update(now.time, now.gripper)
        self._succeeded = self._succeeded or done
        return self._succeeded

    def result(self, halted: str = "") -> EpisodeResult:
        """Return the figures; `halted`: why the executor has latched a halt, else empty."""
        episode, now = self._episode, self._now
        distances = np.linalg.norm(now.blocks - now.gripper, axis=1)
        start = np.linalg.norm(self._first.blocks[self._block] - self._first.gripper)
        return EpisodeResult(
            series=episode.series,
            task=episode.words.kind if episode.is_steered else episode.task.kind,
            seed=episode.seed,
            variation=episode.variation,
            instruction=episode.instruction,
            success=self._succeeded,
            named=episode.task.color,
            nearest=Tabletop.colors[int(distances.argmin())],
            start_distance=float(start),
            final_distance=float(distances[self._block]),
            line_error=None if self._line_judge is None else self._line_judge.error(now.gripper),
            seconds=now.time - self._first.time,
            path_length=self._path,
            answers=len(self._passes),
            refused_answers=self._refused,
            passes=_mean(self._passes),
            answer_seconds=_mean(self._seconds),
            halted=halted,
        )


def _mean(values: list[int] | list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
