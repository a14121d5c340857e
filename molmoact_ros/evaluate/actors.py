# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Who moves the arm: the policy itself, and baselines in its place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from molmoact_ros.answer import ActionStats
from molmoact_ros.policy.interface import Policy
from molmoact_ros.policy.types import ActionFormat, Observation, Reasoning
from molmoact_ros.sim import SHIPPED, Cell
from molmoact_ros.sim.expert import expert_move
from molmoact_ros.small_files import MAX_JSON_BYTES, json_object, read_small_file

from .episode import Episode, EvaluationError, Moment

TABLETOP = ActionFormat(
    "ee_delta", ("x", "y", "z", "roll", "pitch", "yaw", "gripper"), 0.1, "base_link"
)
_ROWS = 8  # of a random chunk, as the policy's
_EXPERT_ROWS = 3  # one is executed; the others bridge a late successor


@dataclass(frozen=True)
class Look:
    """What an actor may know when it infers.

    Attributes:
        episode: What is to be done.
        moment: The cell; the policy never uses it.
        rgb: External camera, RGB uint8 `[H, W, 3]`; empty where the actor does not use it.
        line: `[K, 2]` drawn line, 0..255 of the picture, None: none.
    """

    episode: Episode
    moment: Moment
    rgb: np.ndarray
    line: np.ndarray | None = None


class Actor(Protocol):
    """Answers with chunks of actions.

    Attributes:
        form: What the columns of the actions mean.
        sees: Whether it uses the picture.
        chunk_seconds: How long one chunk is followed before the next is due.
    """

    form: ActionFormat
    sees: bool
    chunk_seconds: float

    def answer(self, look: Look) -> Reasoning:
        """Return what to do."""


class PolicyActor:
    """The policy, used as the policy node uses it."""

    sees = True

    def __init__(self, policy: Policy, execute_steps: int = 0) -> None:
        """Ask `policy`; `execute_steps` rows of an answer are followed, 0: all.

        Raises:
            EvaluationError: The checkpoint is not one for the tabletop.
        """
        profile, period = policy.profile, policy.profile.actions.control_period
        if len(profile.prompt.cameras) != 1 or period is None:
            raise EvaluationError(
                f"profile '{profile.name}': the tabletop needs a checkpoint with one camera and "
                "a known control_period"
            )
        actions = profile.actions
        self.policy = policy
        self.form = ActionFormat(actions.action_space, actions.names, period, "base_link")
        rows = execute_steps or profile.answer.rows or 1
        self.chunk_seconds = rows * self.form.step_period

    def answer(self, look: Look) -> Reasoning:
        """Infer from the picture, the words and the line."""
        camera = self.policy.profile.prompt.cameras[0]
        words = look.episode.instruction
        seen = Observation({camera: look.rgb}, words, look.line, look.moment.time)
        return self.policy.infer(seen)


class RandomActor:
    """Moves without looking: random chunks in the range of the training data."""

    form = TABLETOP
    sees = False
    chunk_seconds = _ROWS * TABLETOP.step_period

    def __init__(self, stats: ActionStats, cell: Cell) -> None:
        """Draw one direction per chunk between q01 and q99."""
        self._stats = stats
        self._open = cell.gripper_command(0.0)
        self._rng = np.random.default_rng(0)
        self._episode: Episode | None = None

    @classmethod
    def from_checkpoint(cls, checkpoint: Path, cell: Cell) -> RandomActor:
        """Take the range from a checkpoint's config.

        Raises:
            EvaluationError: There is none.
        """
        try:
            config = json_object(read_small_file(checkpoint / "config.json", MAX_JSON_BYTES))
            return cls(ActionStats.from_norm_stats(config.get("norm_stats")), cell)
        except (OSError, ValueError) as error:
            raise EvaluationError(f"checkpoint {checkpoint}: config.json: {error}") from error

    def answer(self, look: Look) -> Reasoning:
        """Return a chunk in one random direction; the same episode, the same chunks."""
        if look.episode != self._episode:
            self._episode, self._rng = look.episode, np.random.default_rng([look.episode.seed, 2])
        row = self._rng.uniform(self._stats.q01, self._stats.q99)
        row[-1] = self._open
        return _as_reasoning(np.tile(row, (_ROWS, 1)), self._stats.key)


class ExpertActor:
    """The scripted expert, which knows the positions, with the same execution."""

    form = TABLETOP
    sees = False
    chunk_seconds = TABLETOP.step_period

    def __init__(self, cell: Cell = SHIPPED) -> None:
        """Act in the conventions of `cell`."""
        self._cell = cell

    def answer(self, look: Look) -> Reasoning:
        """Return the next step from where gripper and blocks are."""
        now = look.moment
        move, closed = expert_move(look.episode.task, now.gripper, now.fingers, now.blocks)
        row = np.array([*self._cell.to_base(move), *(0.0,) * 3, self._cell.gripper_command(closed)])
        return _as_reasoning(np.tile(row, (_EXPERT_ROWS, 1)), "")


def make_baseline(name: str, checkpoint: Path, cell: Cell) -> Actor | None:
    """Return "expert" or "random"; None for "none", which never moves.

    Raises:
        EvaluationError: What it needs is not there.
    """
    if name == "expert":
        return ExpertActor(cell)
    return RandomActor.from_checkpoint(checkpoint, cell) if name == "random" else None


def _as_reasoning(actions: np.ndarray, key: str) -> Reasoning:
    return Reasoning(
        depth_codes=None,
        trajectory=np.empty((0, 2)),
        trajectory_source="predicted",
        actions=actions,
        valid=True,
        problems=(),
        unnorm_key=key,
    )
