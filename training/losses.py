# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One training pass: three instructions about each image, cross entropy with soft labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from molmoact_ros.answer.trajectory import clipped, simplified
from molmoact_ros.evaluate.steering import path_to_block
from molmoact_ros.model import MolmoActForActionReasoning
from molmoact_ros.sim.tabletop import START_AREA, draw_in
from molmoact_ros.viz import draw_hint

from .data import Frames, halve
from .heads import Heads, HiddenTap
from .network import patches, pooling_index
from .sequences import GROUPS, Batch, Format, Question, Targets, Tokens, Vocabulary

COORDINATE_SIGMA = 3.0  # of 0..255
ACTION_SIGMA = 6.0  # of 256 bytes
_BLOCK_LAYER, _REACH_LAYER = 1, 2
TEMPLATE_WEIGHT = 1.0
_WEIGHTS = {"code": 0.1, "end_point": 2.0, "first_row": 3.0, "constant": 0.5}
_GRIPPER_WEIGHT = 3.0
_MISLED = 0.35  # share of the answers that are fed points of another task
_STAYS_OPEN = 0.3  # share of the answers that are fed an open gripper in all rows
_POINT_NOISE, _BIN_NOISE = 2.0, 6.0  # standard deviation of the noise on what is fed
OPEN_BYTE = 127  # of an open gripper
ROW, SPACE = 7, 3  # an action row holds 7 values, x, y, z first, the gripper last


def soft_labels(sigma: float) -> torch.Tensor:
    """Return `[256, 256]`: row t is a Gaussian around value t, cut at the ends."""
    values = torch.arange(256.0)
    return torch.softmax(-0.5 * ((values[:, None] - values) / sigma) ** 2, dim=-1)


@contextmanager
def mixed_precision() -> Iterator[None]:
    """Multiply matrices in bfloat16; on a CPU, attend in float32.

    The CPU's attention kernel is two and a half times slower in bfloat16, backward above all, and
    autocast has no switch for it.
    """
    device = torch.get_default_device().type
    attention: Any = F.scaled_dot_product_attention

    def in_float32(*tensors: torch.Tensor, **options: Any) -> torch.Tensor:
        with torch.autocast(device, enabled=False):
            return attention(*(tensor.float() for tensor in tensors), **options)

    if device == "cpu":
        F.scaled_dot_product_attention = in_float32  # type: ignore[assignment]
    try:
        with torch.autocast(device, torch.bfloat16):
            yield
    finally:
        F.scaled_dot_product_attention = attention


class BaseTrainer(ABC):
    """Computes losses of a network on frames; subclasses define how actions are written."""

    def __init__(self, model: MolmoActForActionReasoning, heads: Heads, vocab: Tokens) -> None:
        """Prepare the constant tensors."""
        self.model, self.heads, self.vocab = model, heads, vocab
        self._tap = HiddenTap(model, (_BLOCK_LAYER, _REACH_LAYER))
        self._prefix = torch.as_tensor(vocab.prefix)
        self._numbers = torch.as_tensor(vocab.numbers)
        self._soft_numbers = soft_labels(COORDINATE_SIGMA)

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

    @abstractmethod
    def _answer_loss(
        self,
        form: Any,
        prompts: torch.Tensor,
        images: torch.Tensor,
        targets: Batch,
        rng: np.random.Generator,
    ) -> torch.Tensor:
        """Return the loss of answers to C instructions, `prompts` `[B, C, Lp]`, per image."""

    def _forward(
        self, form: Question, prompts: torch.Tensor, images: torch.Tensor, answers: torch.Tensor
    ) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
        """Return logits that predict the answers `[B, C, La, E]`, and tapped states."""
        # Three short answers share the image prefix in one row; long ones cost less in rows.
        packed = prompts.shape[1] > 1 and not len(form.codes)
        with mixed_precision():
            predictors, tapped = self._run(prompts, images, answers, packed)
            logits = self.model.lm_head(predictors)
        return logits.float(), tapped

    def vision_loss(
        self, frames: Frames, targets: Targets, index: np.ndarray, seed: int
    ) -> torch.Tensor:
        """Return the loss of the vision backbone alone."""
        images = augment(frames.images[index], np.random.default_rng(seed))
        pooled = pooling_index(len(index))
        with mixed_precision():
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

    def _soft_coordinates(
        self, form: Question, logits: torch.Tensor, expected: torch.Tensor, targets: Batch
    ) -> torch.Tensor:
        """Return `expected` `[B, C, La]` with mean logits of soft labels at coordinates."""
        if not len(form.coordinates):
            return expected
        soft = self._soft_numbers[torch.as_tensor(targets.coordinates)]
        slots = logits[:, :, form.coordinates][..., self._numbers]
        return expected.index_copy(2, _long(form.coordinates), (slots * soft).sum(-1))

    def _head_loss(
        self, form: Question, tapped: dict[int, torch.Tensor], slots: torch.Tensor, targets: Batch
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


class Trainer(BaseTrainer):
    """The losses of answers whose action values are one token each."""

    def __init__(self, model: MolmoActForActionReasoning, heads: Heads, vocab: Vocabulary) -> None:
        """Prepare the constant tensors."""
        super().__init__(model, heads, vocab)
        self._answers, self._first = vocab.answers, int(vocab.actions[0])
        self._soft_actions = soft_labels(ACTION_SIGMA)
        self._hard_actions = torch.eye(256)

    def _answer_loss(
        self,
        form: Format,
        prompts: torch.Tensor,
        images: torch.Tensor,
        targets: Batch,
        rng: np.random.Generator,
    ) -> torch.Tensor:
        answers = torch.as_tensor(self._answers(form, targets))
        fed = self._fed(form, answers, targets, rng)
        logits, tapped = self._forward(form, prompts, images, fed)
        token = self._token_loss(form, logits, answers, targets)
        space = form.actions.reshape(-1, ROW)[:, :SPACE].ravel()
        slots = np.concatenate([form.coordinates, space]).astype(int)
        at = torch.as_tensor(slots).expand(*answers.shape[:2], -1)
        return token + self._head_loss(form, tapped, at, targets)

    def _fed(
        self, form: Format, answers: torch.Tensor, targets: Batch, rng: np.random.Generator
    ) -> torch.Tensor:
        """Return the answers `[B, C, La]` that are fed to the network: noisy targets.

        Otherwise it reads the task off the given points instead of the words, and whether to close
        off a movement that is exactly zero, which its own never is; answers that run free then
        follow their first mistake.
        """
        fed = answers.clone()
        shape = tuple(answers.shape[:2])
        if form.rows:
            rows = targets.actions[:, :, : form.rows].copy()
            rows[..., :SPACE] += _noise(rng, _BIN_NOISE, rows[..., :SPACE].shape)
            # Nor is the gripper copied from the rows before: when to close is uncertain, and a
            # copy that only closes where that is certain in one row never does.
            rows[rng.random(shape) < _STAYS_OPEN, :, -1] = OPEN_BYTE
            fed[..., form.actions] = self._first + torch.as_tensor(rows.clip(0, 255)).flatten(2)
        if len(form.coordinates):
            points = targets.coordinates.copy()
            # Points before the cut are right.
            cut = 2 * int(rng.integers(1, points.shape[-1] // 2))
            misled = rng.random(shape) < _MISLED
            points[misled, cut:] = targets.misleading[misled, cut:]
            points = (points + _noise(rng, _POINT_NOISE, points.shape)).clip(0, 255)
            fed[..., form.coordinates] = self._numbers[torch.as_tensor(points)]
        return fed

    def _token_loss(
        self, form: Format, logits: torch.Tensor, answers: torch.Tensor, targets: Batch
    ) -> torch.Tensor:
        log_z = logits.logsumexp(-1)
        expected = logits.gather(-1, answers[..., None])[..., 0]
        expected = self._soft_coordinates(form, logits, expected, targets)
        weights = template_weights(form)
        if form.rows:
            soft = self._soft_rows(torch.as_tensor(targets.actions[:, :, : form.rows]))
            slots = logits[:, :, form.actions][..., self._first : self._first + 256]
            expected = expected.index_copy(2, _long(form.actions), (slots * soft).sum(-1))
            weights[form.actions] = action_weights(form.rows)
        return ((log_z - expected).mean(dim=(0, 1)) * weights).sum() / weights.sum()

    def _soft_rows(self, actions: torch.Tensor) -> torch.Tensor:
        """Return labels `[B, C, rows * 7, 256]`: soft for x, y, z, hard for the others."""
        flat = actions.flatten(2)
        moves = (torch.arange(flat.shape[-1]) % ROW < SPACE)[:, None]
        return torch.where(moves, self._soft_actions[flat], self._hard_actions[flat])


def _noise(rng: np.random.Generator, sigma: float, shape: tuple[int, ...]) -> np.ndarray:
    return np.rint(rng.normal(0.0, sigma, shape)).astype(np.int64)


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


def template_weights(form: Question) -> torch.Tensor:
    """Return the weight of each token of the template `[La]`; actions are not known yet."""
    weights = torch.full((len(form.answer),), TEMPLATE_WEIGHT)
    weights[form.codes] = _WEIGHTS["code"]
    weights[form.coordinates] = 1.0
    weights[form.coordinates[-2:]] = _WEIGHTS["end_point"]
    return weights


def action_weights(rows: int) -> torch.Tensor:
    """Return the weight of each action value `[rows * 7]`."""
    weights = torch.full((rows, ROW), _WEIGHTS["constant"])
    weights[:, :SPACE] = 1.0
    weights[:, -1] = _GRIPPER_WEIGHT
    weights[0, :SPACE] = _WEIGHTS["first_row"]
    return weights.flatten()


def _long(positions: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(positions).long()
