# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Closed loop and free-running measurements; never teacher-forced ones, which mislead.

The closed loop here runs many scenes in lock step, for speed: pictures, whole answers, eight rows
carried out with limited acceleration, next pictures. `molmoact-evaluate` is the real thing, with
the product's decoder and executor, scene by scene.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tqdm import trange

from molmoact_ros.answer import ActionTokenizer, Answer, parse_answer
from molmoact_ros.finetune.decode import generate_batch
from molmoact_ros.model import MolmoActForActionReasoning
from molmoact_ros.sim import Judge, Tabletop, Task, draw_task
from molmoact_ros.sim.camera import OffscreenRenderer
from molmoact_ros.sim.expert import ROWS, Scenes, expert_labels
from molmoact_ros.sim.scene import COLORS, EXTERNAL_CAMERA

from .data import (
    IMAGE_SIZE,
    RENDER_SIZE,
    FrameRecorder,
    Frames,
    halve,
    to_unit,
)
from .episodes import carry_out
from .losses import draw_line
from .network import patches, pooling_index
from .sequences import Targets, Vocabulary

CHUNKS = {"reach": 8, "pick": 9, "push": 9}  # of eight steps: 6.4 to 7.2 s

# (images uint8 [B, 126, 126, 3], tasks) -> movements [B, 8, 3], m, and gripper [B, 8], 0 open ..
# 1 closed; NaN rows are invalid.
BatchPolicy = Callable[[np.ndarray, Sequence[Task]], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Episodes:
    """Results of N episodes.

    Attributes:
        success: `[N]` whether the task is fulfilled at the end.
        final: `[N]` distance from grip point to the named block at the end, m.
        line_error: `[N]` distance of the grip point's picture to the end of the expert's line
            from the beginning, 0..255.
        invalid_chunks: Answers that the strict parser refused (nothing moves then).
        chunks: Answers in total.
    """

    success: np.ndarray
    final: np.ndarray
    line_error: np.ndarray
    invalid_chunks: int
    chunks: int

    def summary(self) -> dict[str, float]:
        """Return the figures for a report."""
        return {
            "episodes": len(self.final),
            "success": round(float(np.mean(self.success)), 3),
            "median_final_mm": round(1000 * float(np.median(self.final)), 1),
            "p90_final_mm": round(1000 * float(np.quantile(self.final, 0.9)), 1),
            "within_25_of_line": round(float(np.mean(self.line_error <= 25.0)), 3),
            "invalid_chunks": self.invalid_chunks,
            "chunks": self.chunks,
        }


def answer_ids(
    model: MolmoActForActionReasoning, vocab: Vocabulary, prompts: np.ndarray, images: np.ndarray
) -> list[list[int]]:
    """Return the answers to prompts `[B, Lp]` about images uint8 `[B, 126, 126, 3]`, as ids."""
    batch = len(images)
    prefix = torch.as_tensor(vocab.prefix).expand(batch, -1)
    ids = torch.cat([prefix, torch.as_tensor(prompts)], dim=1)
    pooled = pooling_index(batch)
    return generate_batch(model, ids, patches(images), pooled, vocab.eos, vocab.longest_answer)


class AnswerPolicy:
    """The network as a batch policy: whole answers, read by the strict parser."""

    def __init__(
        self,
        model: MolmoActForActionReasoning,
        vocab: Vocabulary,
        stats: dict[str, Any],
        name: str = "full",
    ) -> None:
        """Answer with the format `name`; `stats` is the config's norm_stats."""
        self._model, self._vocab, self._name = model, vocab, name
        self._rows = vocab.formats[name][0].rows
        self._stats = stats
        self._reader = ActionTokenizer(model.config.action_codebook)

    def read(self, images: np.ndarray, tasks: Sequence[Task]) -> list[Answer]:
        """Return the parsed answers; the short formats lack parts that the strict mode wants."""
        steer = self._name == "steer"
        whole = steer or self._name == "full"
        prompts = self._vocab.prompts(self._name, tasks)
        return [
            parse_answer(
                self._vocab.tokenizer.decode(ids, skip_special_tokens=True),
                self._stats,
                "tabletop",
                mode="strict" if whole else "compatible",
                action_tokenizer=self._reader,
                rows=self._rows if whole else None,
                steered=steer,
                finished=ids[-1] == self._vocab.eos,
            )
            for ids in answer_ids(self._model, self._vocab, prompts, images)
        ]

    def __call__(self, images: np.ndarray, tasks: Sequence[Task]) -> tuple[np.ndarray, np.ndarray]:
        """Return movements `[B, rows, 3]`, m, and gripper `[B, rows]`."""
        actions = np.full((len(images), self._rows, 7), np.nan)
        for rows, answer in zip(actions, self.read(images, tasks), strict=True):
            if answer.valid and len(answer.actions) == len(rows):
                rows[:] = answer.actions
        return actions[..., :3], actions[..., 6]


class SteeredPolicy:
    """Follows a line per scene, drawn into every picture, whatever block the words name."""

    def __init__(self, policy: BatchPolicy, lines: np.ndarray) -> None:
        """Use a policy of the "steer" format; `lines` `[N, K, 2]`, 0..255."""
        self._policy, self._lines = policy, lines

    def __call__(self, images: np.ndarray, tasks: Sequence[Task]) -> tuple[np.ndarray, np.ndarray]:
        """Return movements and gripper; the words name the next colour, not this one."""
        drawn = [draw_line(image, line) for image, line in zip(images, self._lines, strict=True)]
        return self._policy(np.stack(drawn), [task.about_next_block() for task in tasks])


def expert_lines(tables: Sequence[Tabletop], tasks: Sequence[Task]) -> np.ndarray:
    """Return the expert's trajectories `[N, 5, 2]`, 0..255, from the scenes as they are."""
    lines = []
    for table, task in zip(tables, tasks, strict=True):
        block = table.block_pose(task.color)[0]
        scene = Scenes(table.ee_pose()[0][None], np.array([table.finger_opening()]), block[None])
        points = expert_labels(task.kind, task.side, scene).points[0]
        lines.append(to_unit(table.camera(width=IMAGE_SIZE, height=IMAGE_SIZE).project(points)))
    return np.stack(lines)


def free_running(
    policy: AnswerPolicy, frames: Frames, targets: Targets, kind: str = "reach"
) -> dict[str, float]:
    """Measure answers on frames, three colours each, against the expert's.

    Returns:
        Mean and median end-point error (0..255), share of end points nearest to the named
        block, share of answers without problems, share of equal depth codes, and of equal
        gripper values.
    """
    batch = targets.of_group(0 if kind == "reach" else 1)
    tasks = [Task(kind, color) for _ in range(len(frames)) for color in COLORS]
    answers = policy.read(np.repeat(frames.images, 3, axis=0), tasks)
    good = [i for i, a in enumerate(answers) if a.valid and a.trajectory is not None]
    if not good:
        return {"answers": len(answers), "valid": 0.0}
    ends = np.stack([np.asarray(answers[i].trajectory)[-1] for i in good])
    goals = batch.coordinates[:, :, -2:].reshape(-1, 2)[good]
    error = np.linalg.norm(ends - goals, axis=-1)
    all_goals = np.repeat(batch.coordinates[:, :, -2:], 3, axis=0)[good]
    nearest = np.linalg.norm(ends[:, None] - all_goals, axis=-1).argmin(axis=1)
    middle = ActionTokenizer("byte_level").encode_bins(np.array([0.5])).item()
    closed = batch.actions[..., -1].reshape(len(answers), -1)[good] > middle
    predicted = np.stack([answers[i].actions[:, 6] for i in good]) > 0.5
    depths = [(batch.codes[i // 3], answers[i].depth) for i in good]
    equal = [np.mean(wanted == read.ravel()) for wanted, read in depths if read is not None]
    return {
        "answers": len(answers),
        "valid": round(len(good) / len(answers), 4),
        "end_point_mean": round(float(error.mean()), 2),
        "end_point_median": round(float(np.median(error)), 2),
        "right_block": round(float(np.mean(nearest == np.array(good) % 3)), 4),
        "gripper_equal": round(float(np.mean(closed == predicted)), 4),
        "depth_codes_equal": round(float(np.mean(equal)), 4) if equal else float("nan"),
    }


def draw_tasks(kind: str, seeds: Sequence[int]) -> list[Task]:
    """Return the tasks of the seeds' scenes."""
    return [draw_task(kind, seed) for seed in seeds]


def run_episodes(
    policy: BatchPolicy,
    seeds: Sequence[int],
    tasks: Sequence[Task],
    *,
    variation: str = "easy",
    steered: bool = False,
    record: bool = False,
    title: str = "episodes",
) -> tuple[Episodes, Frames | None]:
    """Run one episode per seed, in lock step.

    Args:
        policy: Answers for all scenes at once.
        seeds: Of the scenes.
        tasks: One per scene, all of one kind.
        variation: Of the scenes.
        steered: Whether the expert's lines are drawn into all pictures, and the words name the
            next block; `policy` must be of the "steer" format.
        record: Keep the frames that the policy came to, two per answer.
        title: Of the progress bar.

    Returns:
        The results, and the recorded frames (None without `record`).
    """
    tables = [Tabletop(seed, variation) for seed in seeds]
    judges = [Judge(task, t.block_places()) for task, t in zip(tasks, tables, strict=True)]
    lines = expert_lines(tables, tasks)
    if steered:
        policy = SteeredPolicy(policy, lines)
    renderer, recorder = OffscreenRenderer(tables[0].model), FrameRecorder()
    kept = recorder if record else None
    velocity = np.zeros((len(seeds), 3))
    gripper = np.zeros(len(seeds))
    invalid, chunks = 0, CHUNKS[tasks[0].kind]
    for _ in trange(chunks, desc=title, mininterval=10):
        images = np.stack([_picture(renderer, table, kept) for table in tables])
        moves, closed = policy(images, tasks)
        bad = ~np.isfinite(moves).all(axis=(1, 2))
        invalid += int(bad.sum())
        moves[bad] = 0.0
        closed[bad] = gripper[bad, None]
        for row in range(ROWS):
            if record and row == ROWS // 2:
                for table in tables:
                    _picture(renderer, table, kept)
            for i, table in enumerate(tables):
                velocity[i] = carry_out(table, velocity[i], moves[i, row], closed[i, row])
        gripper = closed[:, -1]
    for i, table in enumerate(tables):
        carry_out(table, velocity[i], np.zeros(3), gripper[i])
    renderer.close()
    result = _measure(tables, tasks, judges, lines, invalid, chunks * len(seeds))
    return result, recorder.frames() if record else None


def _measure(
    tables: Sequence[Tabletop],
    tasks: Sequence[Task],
    judges: Sequence[Judge],
    lines: np.ndarray,
    invalid: int,
    chunks: int,
) -> Episodes:
    success = [
        judge.fulfilled(table.ee_pose()[0], table.block_places())
        for judge, table in zip(judges, tables, strict=True)
    ]
    final = [table.distance(task.color) for table, task in zip(tables, tasks, strict=True)]
    ends = [
        to_unit(t.camera(width=IMAGE_SIZE, height=IMAGE_SIZE).project(t.ee_pose()[0]))
        for t in tables
    ]
    error = np.linalg.norm(np.stack(ends) - lines[:, -1], axis=-1)
    return Episodes(np.array(success), np.array(final), error, invalid, chunks)


def _picture(
    renderer: OffscreenRenderer, table: Tabletop, recorder: FrameRecorder | None
) -> np.ndarray:
    size = (RENDER_SIZE, RENDER_SIZE)
    rgb, metres = renderer.render(table.model, table.data, EXTERNAL_CAMERA, *size)
    if recorder is not None:
        recorder.add(table, rgb, metres)
    return halve(rgb)
