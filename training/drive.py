# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Frames that a checkpoint comes to in the product's loop: its decoder, executor and delays."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from molmoact_ros.evaluate.actors import Look, PolicyActor
from molmoact_ros.evaluate.episode import make_episodes
from molmoact_ros.evaluate.in_process import InProcess, Timing
from molmoact_ros.evaluate.workers import tabletop_robot
from molmoact_ros.policy import MolmoActPolicy
from molmoact_ros.policy.types import Reasoning

from .data import RENDER_SIZE, FrameRecorder, Frames


@dataclass(frozen=True)
class ProductDrive:
    """Scenes in which the product moves the arm.

    Attributes:
        series: "policy", or "steered" with a line to another block than the words name.
        kind: Of the tasks.
        variation: Of the scenes.
        episodes: How many.
    """

    series: str
    kind: str
    variation: str
    episodes: int


def drive_product(checkpoint: Path, drives: Sequence[ProductDrive], first: int) -> Frames:
    """Return what the policy looked at, without lines, in scenes from seed `first` on."""
    policy = MolmoActPolicy.from_pretrained(checkpoint, device="cpu", dtype="float32")
    recorder = FrameRecorder()

    def keep(look: Look, _: Reasoning) -> None:
        recorder.add(cell.table, *cell.table.render(width=RENDER_SIZE, height=RENDER_SIZE))

    cell = InProcess(PolicyActor(policy), tabletop_robot(), Timing(), observer=keep)
    with closing(cell):
        for drive in drives:
            episodes = make_episodes(
                drive.series, drive.kind, first, drive.episodes, drive.variation
            )
            first += drive.episodes
            bar = tqdm(episodes, f"{drive.series} {drive.kind}", mininterval=10)
            successes = 0
            for episode in bar:
                successes += cell.run(episode).success
                bar.set_postfix(successes=successes, refresh=False)
    return recorder.frames()
