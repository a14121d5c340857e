# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One training pass: three instructions about each image.

The loss of the answers is `molmoact_ros.finetune.losses`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from molmoact_ros.answer.trajectory import clipped, simplified
from molmoact_ros.evaluate.steering import path_to_block
from molmoact_ros.finetune.answers import Content
from molmoact_ros.finetune.losses import (
    POINT_NOISE,
    SINGLE_SIGMA,
    AnswerLoss,
    draw_bins,
    mixed_precision,
    noise,
)
from molmoact_ros.model import MolmoActForActionReasoning
from molmoact_ros.sim.tabletop import START_AREA, draw_in
from molmoact_ros.viz import draw_hint

from .data import Frames, halve
from .heads import Heads, HiddenTap
from .network import patches, pooling_index
from .sequences import GROUPS, MOVING, Batch, Format, Targets, Vocabulary

_BLOCK_LAYER, _REACH_LAYER = 1, 2
_MISLED = 0.35  # share of the answers that are fed points of another task
_STAYS_OPEN = 0.3  # share of the answers that are fed an open gripper in all rows
OPEN_BYTE = 127  # of an open gripper
ROW, SPACE = 7, 3  # an action row holds 7 values, x, y, z first, the gripper last


class Trainer:
    """Computes losses of the first checkpoint's network on frames."""

    def __init__(self, model: MolmoActForActionReasoning, heads: Heads, vocab: Vocabulary) -> None:
        """Prepare the constant tensors."""
        self.model, self.heads, self.vocab = model, heads, vocab
        self._tap = HiddenTap(model, (_BLOCK_LAYER, _REACH_LAYER))
        self._prefix = torch.as_tensor(vocab.prefix)
        self._token_loss = AnswerLoss(vocab.writer, torch.get_default_device())

    def loss(
        self, name: str, frames: Frames, targets: Targets, index: np.ndarray, seed: int
    ) -> torch.Tensor:
        """Return the loss on the frames `index`.

        Args:
            name: Of the format, for reaching; or of format and kind of task, as "full pick".
            frames: All frames.
            targets: Their labels.
            index: `[B]` which frames.
            seed: Of what is drawn at random.
        """
        rng = np.random.default_rng(seed)
        format_name, _, kind = name.partition(" ")
        group = int(rng.choice([i for i, g in enumerate(GROUPS) if g[0] == (kind or "reach")]))
        form = self.vocab.formats[format_name][group]
        others = [g for g in range(targets.coordinates.shape[1]) if g != group] or [group]
        other = int(rng.choice(others))
        images, batch = frames.images[index], targets[index].of_group(group, misleading=other)
        words = np.tile(np.arange(3), (len(index), 1))
        if format_name == "steer":
            images, batch = steered(frames[index], batch, targets.earlier[index, 0], rng)
            words = rng.integers(3, size=(len(index), 1))
        prompts = torch.as_tensor(form.prompts[words])
        return self._answer_loss(form, prompts, augment(images, rng), batch, rng)

    def _answer_loss(
        self,
        form: Format,
        prompts: torch.Tensor,
        images: torch.Tensor,
        targets: Batch,
        rng: np.random.Generator,
    ) -> torch.Tensor:
        """Return the loss of answers to C instructions, `prompts` `[B, C, Lp]`, per image."""
        answers = self.vocab.answers(form, targets, self._fed(form, targets, rng))
        logits, tapped = self._forward(form, prompts, images, torch.as_tensor(answers.ids))
        token = self._token_loss(logits[torch.as_tensor(answers.weight > 0)], answers)
        # Where x, y, z are chosen; where values are spelled, a row's first token is its bracket.
        place = np.arange(answers.starts.shape[-1]) % ROW
        spelled = not self.vocab.writer.spelling.single
        moves = (answers.starts + spelled * (place == 0))[..., place < SPACE]
        points = form.form.coordinates
        fixed = np.broadcast_to(points, (*moves.shape[:2], len(points)))
        slots = np.concatenate([fixed, moves], axis=-1).astype(np.int64)
        return token + self._head_loss(form, tapped, torch.as_tensor(slots), targets)

    def _fed(self, form: Format, targets: Batch, rng: np.random.Generator) -> Content:
        """Return what the answers that are fed to the network contain: noisy targets.

        Otherwise it reads the task off the given points instead of the words, and whether to close
        off a movement that is exactly zero, which its own never is; answers that run free then
        follow their first mistake.
        """
        wanted = form.content(targets)
        shape = targets.coordinates.shape[:2]
        rows = wanted.bins.reshape(*shape, -1, ROW).copy()
        points = wanted.coordinates
        if form.rows:
            rows[..., :SPACE] += noise(rng, SINGLE_SIGMA, rows[..., :SPACE].shape)
            # Nor is the gripper copied from the rows before: when to close is uncertain, and a
            # copy that only closes where that is certain in one row never does.
            rows[rng.random(shape) < _STAYS_OPEN, :, -1] = OPEN_BYTE
        if points.shape[-1]:
            points = points.copy()
            # Points before the cut are right.
            cut = 2 * int(rng.integers(1, points.shape[-1] // 2))
            misled = rng.random(shape) < _MISLED
            points[misled, cut:] = targets.misleading[misled, cut:]
            points = (points + noise(rng, POINT_NOISE, points.shape)).clip(0, 255)
        return replace(wanted, coordinates=points, bins=rows.clip(0, 255).reshape(*shape, -1))

    def _forward(
        self, form: Format, prompts: torch.Tensor, images: torch.Tensor, answers: torch.Tensor
    ) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
        """Return logits that predict the answers `[B, C, La, E]`, and tapped states."""
        # Three short answers share the image prefix in one row; long ones cost less in rows.
        packed = prompts.shape[1] > 1 and not len(form.form.codes)
        with mixed_precision(torch.get_default_device().type):
            predictors, tapped = self._run(prompts, images, answers, packed)
            logits = self.model.lm_head(predictors)
        return logits.float(), tapped

    def vision_loss(
        self, frames: Frames, targets: Targets, index: np.ndarray, seed: int
    ) -> torch.Tensor:
        """Return the loss of the vision backbone alone."""
        images = augment(frames.images[index], np.random.default_rng(seed))
        pooled = pooling_index(len(index))
        with mixed_precision(torch.get_default_device().type):
            features = self.model.model.vision_backbone(images, pooled)
        return self.heads.vision_loss(
            features.unflatten(0, (len(index), -1)),
            torch.as_tensor(targets.block_uv[index]),
            torch.as_tensor(targets.gripper[index]),
            torch.as_tensor(targets.gripper_uv[index]),
        )

    def _run(
        self, prompts: torch.Tensor, images: torch.Tensor, answers: torch.Tensor, packed: bool
    ) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
        """Return the states that predict the answer, `[B, C, La, D]`, and tapped states.

        Args:
            prompts: `[B, C, Lp]` ids; C instructions about each image.
            images: `[B, 1, 81, 588]`.
            answers: `[B, C, La]` ids.
            packed: One row per image with a block-diagonal mask, or one per instruction.
        """
        start = len(self._prefix)
        segment = torch.cat([prompts, answers[:, :, :-1]], dim=-1)
        batch, count, length = segment.shape
        prefix = self.model.embed(self._prefix.expand(batch, -1), images, pooling_index(batch))
        rest = self.model.embed(segment.flatten(1)).unflatten(1, (count, length))
        positions = torch.arange(start + length)
        if packed:
            embeds = torch.cat([prefix, rest.flatten(1, 2)], dim=1)
            order = torch.cat([positions, *[positions[start:]] * (count - 1)])
            mask = _packed_mask(start, length, count)
            hidden = self.model.run(embeds, order.expand(batch, -1), mask=mask)
        else:
            shared = prefix[:, None].expand(-1, count, -1, -1)
            embeds = torch.cat([shared, rest], dim=2).flatten(0, 1)
            hidden = self.model.run(embeds, positions.expand(count * batch, -1))

        def segments(states: torch.Tensor) -> torch.Tensor:
            if packed:
                return states[:, start:].unflatten(1, (count, length))
            return states[:, start:].unflatten(0, (batch, count))

        tapped = {layer: segments(states) for layer, states in self._tap.outputs.items()}
        return segments(hidden)[:, :, prompts.shape[-1] - 1 :], tapped

    def _head_loss(
        self, form: Format, tapped: dict[int, torch.Tensor], slots: torch.Tensor, targets: Batch
    ) -> torch.Tensor:
        """Return the heads' loss where the answer's tokens `slots` `[B, C, K]` are chosen."""
        goal = torch.as_tensor(targets.goal)
        at = F.pad(slots, (1, 0)) + form.prompt_length - 1
        hidden = tapped[_REACH_LAYER]
        states = hidden.gather(2, at[..., None].expand(-1, -1, -1, hidden.shape[-1]))
        loss = self.heads.reach_loss(
            states,
            torch.as_tensor(targets.gripper),
            goal,
            torch.as_tensor(targets.goal_uv),
            torch.as_tensor(targets.gripper_uv),
        )
        coordinates, actions = map(torch.as_tensor, (targets.coordinates, targets.actions))
        loss = loss + self.heads.plan_loss(states, coordinates, actions)
        if form.name != "steer":  # there the line chooses the block, not the word
            at_color = tapped[_BLOCK_LAYER][:, :, form.last_color]
            block_uv = torch.as_tensor(targets.block_uv)
            loss = loss + self.heads.block_loss(at_color, block_uv, goal)
        return 2.0 * loss


class TailTrainer(Trainer):
    """Computes losses of the `vocab_tail` network: what is fed is drawn from the labels alone."""

    def _fed(self, form: Format, targets: Batch, rng: np.random.Generator) -> Content:
        wanted = form.content(targets)
        moving = np.tile(MOVING, form.rows)
        return replace(wanted, bins=draw_bins(wanted.bins, moving, False, rng))


def draw_line(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Draw a steering trajectory `[K, 2]`, 0..255, as the policy does.

    The policy draws into the camera's image, which the processor halves afterwards.
    """
    return halve(draw_hint(image.repeat(2, axis=0).repeat(2, axis=1), points))


def steered(
    frames: Frames, batch: Batch, earlier: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, Batch]:
    """Draw a trajectory to a random block into each image, roughly, as a person would.

    Most lines begin somewhere else than at the gripper: while the arm follows a line, its beginning
    stays behind. A quarter are the expert's from here, a quarter its `earlier`, `[B, 3, 10]`;
    the others bend where a person's would, which five points in equal times do not.

    Returns:
        The images, and the targets of the chosen blocks, C = 1.
    """
    colors = rng.integers(3, size=len(frames))
    chosen = batch.of_color(colors)
    before = earlier[np.arange(len(frames)), colors]
    by_hand = frames.project(_ways_by_hand(frames, colors, rng))
    drawn = []
    for i, image in enumerate(frames.images):
        pick = rng.random()
        if pick < 0.5:
            points = (chosen.coordinates[i, 0] if pick < 0.25 else before[i]).reshape(-1, 2)
        else:
            points = simplified(clipped(by_hand[i]))
        rough = points + rng.normal(0.0, 2.0, points.shape)
        drawn.append(draw_line(image, rough.clip(0, 255)))
    return np.stack(drawn), chosen


def _ways_by_hand(frames: Frames, colors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return ways `[B, K, 3]`, m, to one block each, one in four from where the gripper is."""
    blocks = frames.blocks[np.arange(len(frames)), colors]
    starts = [
        gripper if rng.random() < 0.25 else draw_in(rng, START_AREA) for gripper in frames.gripper
    ]
    return np.stack([path_to_block(s, b) for s, b in zip(starts, blocks, strict=True)])


def augment(images: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
    """Return network input with slightly changed brightness, colour balance and noise."""
    x = patches(images)
    batch = len(images)
    gain = 1.0 + 0.05 * rng.standard_normal((batch, 1, 1, 1))
    tint = 1.0 + 0.015 * rng.standard_normal((batch, 1, 1, 3))
    gains = np.tile(gain * tint, x.shape[-1] // 3).astype(np.float32)
    noise = 0.015 * torch.as_tensor(rng.standard_normal(x.shape, dtype=np.float32))
    return ((x + 1.0) * torch.as_tensor(gains) - 1.0 + noise).clamp(-1.0, 1.0)


def _packed_mask(start: int, length: int, count: int) -> torch.Tensor:
    """Return `[1, 1, S, S]`: causal, and no instruction sees another one."""
    owner = torch.cat([torch.zeros(start), torch.arange(1.0, count + 1).repeat_interleave(length)])
    causal = torch.ones(len(owner), len(owner), dtype=torch.bool).tril()
    return (causal & ((owner[:, None] == owner) | (owner == 0)))[None, None]
