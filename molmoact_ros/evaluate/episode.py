# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One episode through the running graph: reset, tell, watch, measure."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from molmoact_ros.demo.arrival import Arrival
from molmoact_ros.demo.watcher import Watcher
from molmoact_ros.msg import ActionReasoning
from molmoact_ros.sim import Tabletop

from .results import EpisodeResult

_SETTLE = 0.3  # s after a reset until poses and pictures show the new scene
_STEP = 0.005  # m; smaller movements do not count as path, they are noise


@dataclass(frozen=True)
class Episode:
    """What is asked for.

    Attributes:
        seed: Of the scene.
        color: Block to reach.
        wrong: Colour that is named instead, None: the same.
    """

    seed: int
    color: str
    wrong: str | None = None

    @property
    def instruction(self) -> str:
        """The words that the policy hears."""
        return f"reach the {self.wrong or self.color} block"


@dataclass
class _Track:
    """The gripper's way."""

    last: np.ndarray
    length: float = 0.0
    answers: list[ActionReasoning] = field(default_factory=list)

    def move(self, gripper: np.ndarray) -> None:
        step = float(np.linalg.norm(gripper - self.last))
        if step >= _STEP:
            self.length += step
            self.last = gripper


def run_episode(
    watcher: Watcher,
    episode: Episode,
    seconds: float,
    moves: bool = True,
    act: Callable[[], None] | None = None,
) -> EpisodeResult:
    """Run one episode to arrival or to its end.

    Args:
        watcher: Client of the running graph.
        episode: What to do.
        seconds: Time limit.
        moves: Whether motion is enabled; False measures what the scene gives for nothing.
        act: Called again and again, for a baseline that stands in for the policy.
    """
    watcher.enable(False)
    watcher.clear_halt()
    watcher.instruct("")
    watcher.reset(episode.seed)
    _spin_for(watcher, _SETTLE)
    watcher.reasonings.clear()
    watcher.pictures.clear()
    watcher.instruct(episode.instruction)
    if moves:
        watcher.enable(True)
    gripper, block = _places(watcher, episode.color)
    track, start = _Track(gripper), time.monotonic()
    first = float(np.linalg.norm(gripper - block))
    arrival, reached = Arrival(), False
    while not reached and time.monotonic() - start < seconds:
        if act is not None:
            act()
        watcher.spin()
        watcher.pictures.clear()
        track.answers += watcher.reasonings
        watcher.reasonings.clear()
        gripper, block = _places(watcher, episode.color)
        track.move(gripper)
        reached = arrival.update(time.monotonic(), gripper, block)
    return _result(watcher, episode, track, first, reached, time.monotonic() - start)


def _result(
    watcher: Watcher,
    episode: Episode,
    track: _Track,
    first: float,
    reached: bool,
    seconds: float,
) -> EpisodeResult:
    assert watcher.blocks is not None and watcher.gripper is not None
    distances = np.linalg.norm(watcher.blocks - watcher.gripper, axis=1)
    costs = [dict(zip(a.stage_names, a.stage_seconds, strict=True)) for a in track.answers]
    return EpisodeResult(
        seed=episode.seed,
        instruction=episode.instruction,
        reached=reached,
        start_distance=first,
        final_distance=float(distances[Tabletop.colors.index(episode.color)]),
        nearest=Tabletop.colors[int(distances.argmin())],
        named=episode.color,
        seconds=seconds,
        path_length=track.length,
        answers=len(track.answers),
        refused_answers=sum(bool(answer.problems) for answer in track.answers),
        passes=_mean([answer.forward_passes for answer in track.answers]),
        inference_seconds=_mean([cost.get("total", np.nan) for cost in costs]),
    )


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _places(watcher: Watcher, color: str) -> tuple[np.ndarray, np.ndarray]:
    assert watcher.blocks is not None and watcher.gripper is not None
    return watcher.gripper, watcher.blocks[Tabletop.colors.index(color)]


def _spin_for(watcher: Watcher, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        watcher.spin()
