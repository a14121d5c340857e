# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Free-running answers about held-out steps; nothing is given to the network or repaired."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch

from molmoact_ros.answer import ActionTokenizer, Answer, parse_answer
from molmoact_ros.answer.trajectory import to_pixels
from molmoact_ros.policy.checkpoint_profile import CheckpointProfile
from molmoact_ros.policy.model_input import model_input

from .decode import generate_batch
from .demonstrations import Demonstrations
from .losses import mixed_precision
from .network import Trained
from .plan import Plan
from .samples import Samples

_ALONG = 16  # places along two trajectories that are compared
_AT_ONCE = 16  # answers of a small network


def measure(
    trained: Trained, plan: Plan, data: Demonstrations, samples: Samples,
    profile: CheckpointProfile, done: Callable[[int], None],
) -> dict[str, Any]:  # fmt: skip
    """Measure answers about held-out steps, spread evenly over them.

    Returns:
        Number of answers, share of valid ones, and of these: mean error of each action column in
        robot units, of the first row and of all, share of equal grippers, and the mean distance of
        trajectories and of their ends, in 0..255 and in px of the first camera.
    """
    places = [(n, step) for n in plan.held_out for step in range(len(data.episodes[n]))]
    count = min(plan.settings.answers, len(places))
    chosen = [places[i] for i in np.linspace(0, len(places) - 1, count).astype(int)]
    answers = _answers(trained, plan, data, profile, chosen, done)
    good = [i for i, answer in enumerate(answers) if answer.valid]
    found: dict[str, Any] = {"answers": count, "valid": round(len(good) / max(count, 1), 4)}
    if not good:
        return found
    converter = profile.actions.gripper.converter()
    errors, closed = [], []
    distances: list[list[float]] = []
    for i in good:
        number, step = chosen[i]
        episode = data.episodes[number]
        wanted = samples.chunk(episode, step)
        actions = answers[i].actions.copy()
        actions[:, -1] = converter.convert(actions[:, -1])
        errors.append(np.abs(actions - wanted))
        closed.append((actions[:, -1] > 0.5) == (wanted[:, -1] > 0.5))
        truth = episode.trajectories[step, : episode.counts[step]]
        trajectory = answers[i].trajectory
        assert trajectory is not None  # a valid answer has one
        points = profile.images.to_camera(trajectory)
        height, width = data.pictures(number, step)[0].shape[:2]
        size = (width, height)
        distances.append(
            [*_distance(points, truth), *_distance(to_pixels(points, size), to_pixels(truth, size))]
        )
    way, end, way_px, end_px = (round(float(v), 2) for v in np.mean(distances, axis=0))
    names = profile.actions.names
    whole, first = np.mean(errors, axis=(0, 1)), np.mean([e[0] for e in errors], axis=0)
    return found | {
        "action_error": {n: float(f"{v:.3g}") for n, v in zip(names, whole, strict=True)},
        "first_row_error": {n: float(f"{v:.3g}") for n, v in zip(names, first, strict=True)},
        "gripper_equal": round(float(np.mean(closed)), 4),
        "trajectory_error": way,
        "end_point_error": end,
        "trajectory_error_px": way_px,
        "end_point_error_px": end_px,
    }


def _distance(points: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Return the mean distance along two lines `[K, 2]`, and that of their ends."""
    away = np.linalg.norm(_resampled(points) - _resampled(truth), axis=1)
    return float(away.mean()), float(away[-1])


def _answers(
    trained: Trained, plan: Plan, data: Demonstrations, profile: CheckpointProfile,
    chosen: Sequence[tuple[int, int]], done: Callable[[int], None],
) -> list[Answer]:  # fmt: skip
    processor = plan.found.processor
    assert processor is not None
    codec = ActionTokenizer(plan.writer.codebook)
    inputs = [
        model_input(processor, profile, data.pictures(n, step), data.episodes[n].instruction, None)
        for n, step in chosen
    ]
    answers: dict[int, Answer] = {}
    for group in _of_one_length(inputs, 1 if trained.lora else _AT_ONCE):
        for i, ids in zip(group, _generate(trained, [inputs[i] for i in group], profile, plan),
                          strict=True):  # fmt: skip
            answers[i] = parse_answer(
                processor.decode(ids),
                plan.norm_stats,
                plan.stats.key,
                action_tokenizer=codec,
                rows=profile.answer.rows,
                finished=ids[-1] == plan.writer.eos,
            )
        done(len(group))
    return [answers[i] for i in range(len(inputs))]


def _generate(
    trained: Trained, inputs: Sequence[dict], profile: CheckpointProfile, plan: Plan
) -> list[list[int]]:
    device = trained.device
    keys = ("input_ids", "images", "pooled_patches_idx")
    ids, images, pooled = (torch.cat([i[key] for i in inputs]).to(device) for key in keys)
    low = trained.bfloat16 and device.type == "cuda"
    with mixed_precision(device.type) if low else nullcontext():
        return generate_batch(
            trained.model, ids, images, pooled, plan.writer.eos, profile.answer.max_new_tokens
        )


def _of_one_length(inputs: Sequence[dict], most: int) -> list[list[int]]:
    """Group inputs whose prompts have one length."""
    lengths: dict[int, list[int]] = {}
    for i, given in enumerate(inputs):
        lengths.setdefault(given["input_ids"].shape[1], []).append(i)
    return [
        group[start : start + most]
        for group in lengths.values()
        for start in range(0, len(group), most)
    ]


def _resampled(points: np.ndarray) -> np.ndarray:
    """Return places `[16, 2]` in equal distances along a line `[K, 2]`."""
    pieces = np.linalg.norm(np.diff(points, axis=0), axis=1)
    along = np.concatenate([[0.0], pieces.cumsum()])
    at = np.linspace(0.0, along[-1], _ALONG)
    return np.stack([np.interp(at, along, points[:, axis]) for axis in range(2)], axis=1)
