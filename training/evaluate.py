# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Closed loop and free-running measurements; never teacher-forced ones, which mislead.

The closed loop here is in one process: picture, whole answer, eight rows carried out as the
executor does (velocity per row, limited acceleration), next picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import trange

from molmoact_ros.answer import ActionTokenizer, Answer, parse_answer
from molmoact_ros.model import MolmoActForActionReasoning
from molmoact_ros.sim import CameraModel, Tabletop
from molmoact_ros.sim.camera import OffscreenRenderer
from molmoact_ros.sim.scene import EXTERNAL_CAMERA

from .data import RENDER_SIZE, FrameRecorder, Frames, halve
from .decode import generate_batch
from .expert import GOAL_ABOVE_BLOCK, ROWS, STEP_SECONDS, expert_labels, expert_step
from .losses import draw_line
from .sequences import COLORS, Targets, Vocabulary, to_unit

CHUNKS = 8  # of eight steps: 6.4 s
SUCCESS = 0.05  # m
_ACCELERATION = 1.0  # m/s^2
_CONTROL = 0.01  # s

# (images uint8 [B, 126, 126, 3], colours [B]) -> movements [B, 8, 3], m; NaN rows are invalid.
BatchPolicy = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Episodes:
    """Results of N episodes.

    Attributes:
        final: ``[N]`` distance from grip point to the named block at the end, m.
        nearest_is_named: ``[N]`` whether the named block is the nearest at the end.
        invalid_chunks: Answers that the strict parser refused (nothing moves then).
        chunks: Answers in total.
    """

    final: np.ndarray
    nearest_is_named: np.ndarray
    invalid_chunks: int
    chunks: int

    def summary(self) -> dict[str, float]:
        """Return the figures for a report."""
        return {
            "episodes": len(self.final),
            "success": float(np.mean(self.final < SUCCESS)),
            "nearest_is_named": float(np.mean(self.nearest_is_named)),
            "median_final_mm": round(1000 * float(np.median(self.final)), 1),
            "p90_final_mm": round(1000 * float(np.quantile(self.final, 0.9)), 1),
            "invalid_chunks": self.invalid_chunks,
            "chunks": self.chunks,
        }


class AnswerPolicy:
    """The network as a batch policy: whole answers, read by the strict parser."""

    def __init__(
        self,
        model: MolmoActForActionReasoning,
        vocab: Vocabulary,
        stats: dict[str, Any],
        name: str = "full",
    ) -> None:
        """Answer with the format ``name``; ``stats`` is the config's norm_stats."""
        self._model, self._vocab, self._form = model, vocab, vocab.formats[name]
        self._stats = stats
        self._reader = ActionTokenizer("byte_level")

    def read(self, images: np.ndarray, colors: np.ndarray) -> list[Answer]:
        """Return the parsed answers; the short formats lack parts that the strict mode wants."""
        steer = self._form.name == "steer"
        whole = steer or self._form.name == "full"
        return [
            parse_answer(
                self._vocab.tokenizer.decode(ids, skip_special_tokens=True),
                self._stats,
                "tabletop",
                mode="strict" if whole else "compatible",
                action_tokenizer=self._reader,
                rows=self._form.rows if whole else None,
                steered=steer,
                finished=ids[-1] == self._vocab.eos,
            )
            for ids in generate_batch(self._model, self._vocab, self._form, images, colors)
        ]

    def __call__(self, images: np.ndarray, colors: np.ndarray) -> np.ndarray:
        """Return movements ``[B, rows, 3]``, m."""
        moves = np.full((len(images), self._form.rows, 3), np.nan)
        for row, answer in zip(moves, self.read(images, colors), strict=True):
            if answer.valid and len(answer.actions) == len(row):
                row[:] = answer.actions[:, :3]
        return moves


class SteeredPolicy:
    """Follows a line per scene, drawn into every picture, whatever block the words name."""

    def __init__(self, policy: AnswerPolicy, lines: np.ndarray) -> None:
        """Use a policy of the "steer" format; ``lines`` ``[N, K, 2]``, 0..255."""
        self._policy, self._lines = policy, lines

    def __call__(self, images: np.ndarray, colors: np.ndarray) -> np.ndarray:
        """Return movements ``[N, 8, 3]``, m; the words name the next colour, not this one."""
        drawn = [draw_line(image, line) for image, line in zip(images, self._lines, strict=True)]
        return self._policy(np.stack(drawn), (colors + 1) % len(COLORS))


def steering_lines(seeds: list[int], colors: np.ndarray, camera: CameraModel) -> np.ndarray:
    """Return the expert's trajectories ``[N, 5, 2]``, 0..255, from the scenes' beginnings."""
    lines = []
    for seed, color in zip(seeds, colors, strict=True):
        table = Tabletop(seed)
        block = table.block_pose(COLORS[color])[0]
        lines.append(expert_labels(table.ee_pose()[0][None], block[None]).points[0])
    return to_unit(camera.project(np.stack(lines)))


def free_running(policy: AnswerPolicy, frames: Frames, targets: Targets) -> dict[str, float]:
    """Measure answers on frames, three colours each, against the expert's.

    Returns:
        Mean and median end-point error (0..255), share of end points nearest to the named
        block, share of answers without problems, and share of equal depth codes.
    """
    n = len(frames)
    colors = np.tile(np.arange(3), n)
    answers = policy.read(np.repeat(frames.images, 3, axis=0), colors)
    good = [i for i, a in enumerate(answers) if a.valid and a.trajectory is not None]
    if not good:
        return {"answers": len(answers), "valid": 0.0}
    ends = np.stack([np.asarray(answers[i].trajectory)[-1] for i in good])
    goals = targets.coordinates[:, :, -2:].reshape(-1, 2)[good]
    error = np.linalg.norm(ends - goals, axis=-1)
    all_goals = np.repeat(targets.coordinates[:, :, -2:], 3, axis=0)[good]
    nearest = np.linalg.norm(ends[:, None] - all_goals, axis=-1).argmin(axis=1)
    result = {
        "answers": len(answers),
        "valid": len(good) / len(answers),
        "end_point_mean": float(error.mean()),
        "end_point_median": float(np.median(error)),
        "right_block": float(np.mean(nearest == colors[good])),
    }
    depths = [(targets.codes[i // 3], answers[i].depth) for i in good]
    equal = [np.mean(wanted == said.ravel()) for wanted, said in depths if said is not None]
    if equal:
        result["depth_codes_equal"] = float(np.mean(equal))
    return result


def run_episodes(
    policy: BatchPolicy | None,
    seeds: list[int],
    colors: np.ndarray,
    chunks: int = CHUNKS,
    record: bool = False,
    title: str = "episodes",
) -> tuple[Episodes, Frames | None]:
    """Run one episode per seed, in lock step.

    Args:
        policy: Answers for all scenes at once; None: the arm never moves.
        seeds: Of the scenes.
        colors: ``[N]`` named block per scene.
        chunks: Answers per episode.
        record: Keep the frames that the policy came to, two per answer.
        title: Of the progress bar.

    Returns:
        The results, and the recorded frames (None without ``record``).
    """
    tables = [Tabletop(seed) for seed in seeds]
    renderer = OffscreenRenderer(tables[0].model)
    recorder = FrameRecorder()
    velocity = np.zeros((len(seeds), 3))
    invalid = 0
    for _ in trange(chunks, desc=title, mininterval=10):
        images = np.stack([_picture(renderer, t, recorder if record else None) for t in tables])
        moves = np.zeros((len(seeds), ROWS, 3)) if policy is None else policy(images, colors)
        bad = ~np.isfinite(moves).all(axis=(1, 2))
        invalid += int(bad.sum())
        moves[bad] = 0.0
        for row in range(moves.shape[1]):
            if record and row == ROWS // 2:
                for table in tables:
                    _picture(renderer, table, recorder)
            for i, table in enumerate(tables):
                velocity[i] = _carry_out(table, velocity[i], moves[i, row])
    for i, table in enumerate(tables):
        _carry_out(table, velocity[i], np.zeros(3))
    renderer.close()
    distances = np.array([[t.distance(color) for color in COLORS] for t in tables])
    final = distances[np.arange(len(seeds)), colors]
    result = Episodes(final, distances.argmin(axis=1) == colors, invalid, chunks * len(seeds))
    return result, recorder.frames() if record else None


def run_expert(seeds: list[int], colors: np.ndarray, chunks: int = CHUNKS) -> Episodes:
    """Run the scripted expert, which knows the positions, with the same execution."""
    final, right = [], []
    for seed, color in zip(seeds, colors, strict=True):
        table = Tabletop(seed)
        velocity = np.zeros(3)
        for _ in range(chunks * ROWS):
            goal = table.block_pose(COLORS[color])[0] + GOAL_ABOVE_BLOCK
            velocity = _carry_out(table, velocity, expert_step(table.ee_pose()[0], goal))
        distances = [table.distance(name) for name in COLORS]
        final.append(distances[color])
        right.append(int(np.argmin(distances)) == color)
    return Episodes(np.array(final), np.array(right), 0, chunks * len(seeds))


def random_policy(seed: int) -> BatchPolicy:
    """Return a policy of smooth random motion: one random direction per chunk."""
    rng = np.random.default_rng(seed)

    def policy(images: np.ndarray, colors: np.ndarray) -> np.ndarray:
        direction = rng.uniform(-0.015, 0.015, (len(images), 1, 3))
        return np.repeat(direction, ROWS, axis=1)

    return policy


def _picture(
    renderer: OffscreenRenderer, table: Tabletop, recorder: FrameRecorder | None
) -> np.ndarray:
    size = (RENDER_SIZE, RENDER_SIZE)
    rgb, metres = renderer.render(table.model, table.data, EXTERNAL_CAMERA, *size)
    if recorder is not None:
        recorder.add(table, rgb, metres)
    return halve(rgb)


def _carry_out(table: Tabletop, velocity: np.ndarray, move: np.ndarray) -> np.ndarray:
    """Move for 0.1 s with a velocity that approaches the row's; return the velocity reached."""
    wanted = move / STEP_SECONDS
    for _ in range(round(STEP_SECONDS / _CONTROL)):
        change = wanted - velocity
        length = float(np.linalg.norm(change))
        velocity = velocity + change * min(1.0, _ACCELERATION * _CONTROL / max(length, 1e-9))
        table.command_twist(velocity, np.zeros(3))
        table.step(_CONTROL)
    return velocity
