# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From steps of a data set to what the network is fed, by the functions that inference uses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from molmoact_ros.answer import ActionStats, ActionTokenizer
from molmoact_ros.answer.trajectory import clipped
from molmoact_ros.policy.checkpoint_profile import CheckpointProfile
from molmoact_ros.policy.model_input import model_input
from molmoact_ros.processing import MolmoActProcessor

from .answers import STILL, Answers, Content, Form, Weights, Writer
from .demonstrations import Demonstrations, Episode
from .losses import POINT_NOISE, draw_bins, noise

_EARLIER = 0.5  # share of the lines that begin behind the arm, as while it follows one
_OTHER_WORDS = 0.5  # share of the steered samples whose words name another task than the line
_LINE_NOISE = 2.0  # of 0..255, standard deviation of the corners of drawn lines
_UNCHANGED_GRIPPER = 0.3  # share of the answers that are fed a gripper that stays as it was
_GAIN, _CONTRAST, _TINT, _PIXEL_NOISE = 0.08, 0.08, 0.02, 2.0  # standard deviations


@dataclass(frozen=True)
class Batch:
    """B samples, padded at their ends.

    Attributes:
        ids: int64 `[B, L]` prompt and answer without its last id.
        predicts: int64 `[n]` places in the flattened `ids` that predict the answers' tokens.
        images: float32 `[B, T, N, P]`.
        pooled: int64 `[B, M, 4]`.
        answers: Of all samples.
    """

    ids: torch.Tensor
    predicts: torch.Tensor
    images: torch.Tensor
    pooled: torch.Tensor
    answers: Answers

    def to(self, device: torch.device) -> Batch:
        """Return it on a device."""
        tensors = (self.ids, self.predicts, self.images, self.pooled)
        ids, predicts, images, pooled = (tensor.to(device) for tensor in tensors)
        return Batch(ids, predicts, images, pooled, self.answers)


class Samples:
    """Makes samples of the training episodes of a data set.

    Attributes:
        places: (episode, step) of each sample.
        left_out: Steps that are none, because the policy moved the robot in their chunk.
        columns: Number of values of an action.
    """

    def __init__(
        self,
        data: Demonstrations,
        numbers: Sequence[int],
        profile: CheckpointProfile,
        stats: ActionStats,
        processor: MolmoActProcessor,
        writer: Writer,
    ) -> None:
        """Prepare.

        Args:
            data: All episodes.
            numbers: Of the episodes to take.
            profile: Of the checkpoint that is made.
            stats: Of its actions.
            processor: Of the checkpoint.
            writer: Of its answers.
        """
        self._data, self._profile, self._stats = data, profile, stats
        self._processor, self._writer = processor, writer
        self._bins = ActionTokenizer(writer.codebook)
        self._rows = profile.answer.rows or 1
        self._images = len(data.cameras)
        self._forms: dict[int, Form] = {}
        self._weights = Weights(value=1.0 if writer.spelling.single else 0.5)
        self.columns = stats.dof
        self._still = stats.mask & np.isclose(stats.q01, stats.q99)
        self._moving = stats.mask & ~self._still
        self.episodes = [data.episodes[number] for number in numbers]
        self.places, self.left_out = [], 0
        for place, episode in enumerate(self.episodes):
            for step in range(len(episode)):
                if episode.human[step : step + self._rows].all():
                    self.places.append((place, step))
                else:
                    self.left_out += 1
        self._tasks = sorted({episode.instruction for episode in self.episodes})

    def __len__(self) -> int:
        return len(self.places)

    def chunk(self, episode: Episode, step: int) -> np.ndarray:
        """Return the actions `[rows, D]` from a step on; behind the end the robot rests."""
        rows = episode.actions[step : step + self._rows]
        rest = rows[-1:].copy()
        if self._profile.actions.action_space.endswith("delta"):
            rest[:, :-1] = 0.0
        return np.concatenate([rows, np.repeat(rest, self._rows - len(rows), axis=0)])

    def bins(self, actions: np.ndarray) -> np.ndarray:
        """Return the bins `[rows, D]` of actions in robot units."""
        values = self._stats.normalize(actions)
        as_is = self._profile.actions.gripper.convention == "as_is"
        values[:, -1] = actions[:, -1] if as_is else 1.0 - actions[:, -1]
        bins = self._bins.encode_bins(values)
        bins[:, self._still] = np.resize(STILL, int(self._still.sum()))
        return bins

    def points(self, episode: Episode, step: int) -> np.ndarray:
        """Return the trajectory `[K, 2]`, 0..255 of the prepared picture, whole numbers."""
        points = episode.trajectories[step, : episode.counts[step]]
        return np.rint(self._profile.images.from_camera(points)).astype(np.int64)

    def batch(self, index: Iterable[int], steering: float, rng: np.random.Generator) -> Batch:
        """Return samples with noise, other light and lines drawn in.

        Args:
            index: Which of `places`.
            steering: Share of the samples that follow a drawn line.
            rng: All that is random.
        """
        inputs, parts = [], []
        for place, step in (self.places[i] for i in index):
            episode = self.episodes[place]
            instruction, hint = episode.instruction, None
            if rng.random() < steering:
                hint = self._line(episode, step, rng)
                if rng.random() < _OTHER_WORDS:
                    instruction = str(rng.choice(self._tasks))
            pictures = [
                _other_light(picture, rng) for picture in self._data.pictures(episode.number, step)
            ]
            inputs.append(model_input(self._processor, self._profile, pictures, instruction, hint))
            parts.append(self._answer(episode, step, hint is not None, rng))
        return _join(inputs, Answers.join(parts, self._writer.eos), self._writer.eos)

    def _line(self, episode: Episode, step: int, rng: np.random.Generator) -> np.ndarray:
        """Return a line `[K, 2]` to follow, 0..255 of the camera's picture, roughly drawn."""
        start = int(rng.integers(step + 1)) if rng.random() < _EARLIER else step
        points = episode.trajectories[start, : episode.counts[start]]
        if len(points) == 1:  # it rests: a line has two ends
            points = np.repeat(points, 2, axis=0)
        return clipped(points + rng.normal(0.0, _LINE_NOISE, points.shape))

    def _answer(
        self, episode: Episode, step: int, steered: bool, rng: np.random.Generator
    ) -> Answers:
        bins = self.bins(self.chunk(episode, step))
        points = np.zeros((0, 2), dtype=np.int64) if steered else self.points(episode, step)
        form = self._form(points, steered)
        coordinates = points.reshape(1, -1) if len(form.coordinates) else np.zeros((1, 0), int)
        codes = episode.codes[step][None].astype(np.int64)
        wanted = Content(coordinates, codes, bins.reshape(1, -1))
        near = noise(rng, POINT_NOISE, coordinates.shape)
        fed = Content(
            (coordinates + near).clip(0, 255),
            codes,
            self._fed(episode, step, bins, rng).reshape(1, -1),
        )
        return self._writer.write(form, fed, wanted, self._moving, self._weights)

    def _form(self, points: np.ndarray, steered: bool) -> Form:
        if not steered and self._writer.numbers is None:
            return self._writer.reasoning_of(points, self._rows, self.columns, self._images)
        if len(points) not in self._forms:
            self._forms[len(points)] = (
                self._writer.steering(self._rows, self.columns)
                if steered
                else self._writer.reasoning(len(points), self._rows, self.columns, self._images)
            )
        return self._forms[len(points)]

    def _fed(
        self, episode: Episode, step: int, bins: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Return bins near the wanted ones; see `answers`."""
        single = self._writer.spelling.single
        fed = draw_bins(bins, self._moving, single, rng)
        if single and rng.random() < _UNCHANGED_GRIPPER:
            # When to close is uncertain: a gripper that is copied from row to row never does.
            before = episode.actions[max(step - 1, 0)][None]
            fed[:, -1] = self.bins(before)[0, -1]
        return fed


def _other_light(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a picture of slightly other brightness, contrast, colour and noise.

    Pictures are not cropped or shifted: what moves in them would no longer fit the calibrated
    camera that the actions and trajectories belong to.
    """
    gain = 1.0 + rng.normal(0.0, _GAIN) + rng.normal(0.0, _TINT, 3)
    contrast = 1.0 + rng.normal(0.0, _CONTRAST)
    x = rgb.astype(np.float32)
    middle = x.mean()
    x = (x - middle) * contrast + middle
    x = x * gain.astype(np.float32)
    x += rng.normal(0.0, _PIXEL_NOISE) + _PIXEL_NOISE * rng.standard_normal(
        (*rgb.shape[:2], 1), dtype=np.float32
    )
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)


def _join(inputs: Sequence[dict], answers: Answers, padding: int) -> Batch:
    lengths = [given["input_ids"].shape[1] for given in inputs]
    counts = (answers.weight > 0).sum(axis=1)
    longest = max(a + b - 1 for a, b in zip(lengths, counts, strict=True))
    ids = torch.full((len(inputs), longest), padding)
    predicts = []
    for row, (given, start, count) in enumerate(zip(inputs, lengths, counts, strict=True)):
        ids[row, :start] = given["input_ids"][0]
        ids[row, start : start + count - 1] = torch.as_tensor(answers.ids[row, : count - 1])
        predicts.append(row * longest + start - 1 + torch.arange(int(count)))
    return Batch(
        ids,
        torch.cat(predicts),
        torch.cat([given["images"] for given in inputs]),
        torch.cat([given["pooled_patches_idx"] for given in inputs]),
        answers,
    )
