# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is tried: one scene, one task, the words for it, and who moves the arm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from molmoact_ros.sim import SHIPPED, Cell, Task, draw_task

# Series and who acts in them.
SERIES = {
    "policy": "policy",
    "swapped": "policy",
    "wrong-instruction": "policy",
    "steered": "policy",
    "expert": "expert",
    "random": "random",
    "none": "none",
}


class EvaluationError(RuntimeError):
    """The evaluation cannot go on; the text gives the reason."""


@dataclass(frozen=True)
class Episode:
    """One try.

    Attributes:
        series: One of `SERIES`.
        seed: Of the scene.
        task: What counts as success; for "steered" the block at the end of the drawn line.
        words: What the policy is instructed to do.
        variation: Look of the scene.
        spoken: The instruction in the words of another cell; empty: as in `words`.
    """

    series: str
    seed: int
    task: Task
    words: Task
    variation: str = "easy"
    spoken: str = ""

    @property
    def instruction(self) -> str:
        """What the policy reads."""
        return self.spoken or self.words.instruction

    @property
    def actor(self) -> str:
        """Who moves the arm: policy, expert, random or none."""
        return SERIES[self.series]

    @property
    def is_steered(self) -> bool:
        """Whether a line is drawn to another block than the words name."""
        return self.series == "steered"


@dataclass(frozen=True)
class Moment:
    """The cell at a time.

    Attributes:
        time: s.
        gripper: Grip point `[3]`, m.
        fingers: m of each finger from the middle.
        blocks: `[3, 3]` centres in the order of the simulator's colours, m.
    """

    time: float
    gripper: np.ndarray
    fingers: float
    blocks: np.ndarray


def make_episodes(
    series: str,
    kind: str,
    first_seed: int,
    count: int,
    variation: str = "easy",
    cell: Cell = SHIPPED,
) -> list[Episode]:
    """Return `count` episodes of a series; the tasks of one kind take turns with the seed.

    Args:
        series: One of `SERIES`: "swapped" does the same with the next colour in the same scene,
            "wrong-instruction" names the next colour and judges the first, "steered" names the
            first and draws a line to the next.
        kind: Of the tasks.
        first_seed: Of the scenes; the others follow.
        count: Of the episodes.
        variation: Look of the scenes.
        cell: Whose words are used.
    """
    episodes = []
    for seed in range(first_seed, first_seed + count):
        here = draw_task(kind, seed)
        other = here.about_next_block()
        task, words = {
            "swapped": (other, other),
            "wrong-instruction": (here, other),
            "steered": (Task("reach", other.color), here),
        }.get(series, (here, here))
        episodes.append(
            Episode(series, seed, task, words, variation, cell.worded(words.instruction))
        )
    return episodes
