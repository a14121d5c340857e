# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One training pass: three instructions about each image, cross entropy with soft labels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from molmoact_ros.model import MolmoActForActionReasoning

from .data import Frames
from .heads import Heads, HiddenTap
from .network import patches, pooling_index
from .sequences import Format, Targets, Vocabulary

COORDINATE_SIGMA = 3.0  # of 0..255
ACTION_SIGMA = 6.0  # of 256 bytes
_BLOCK_LAYER, _REACH_LAYER = 1, 2
_WEIGHTS = {"template": 0.5, "code": 0.1, "end_point": 2.0, "first_row": 3.0, "constant": 0.5}
_ROW, _SPACE = 7, 3  # an action row holds 7 values, x, y, z first


def soft_labels(sigma: float) -> torch.Tensor:
    """Return ``[256, 256]``: row t is a Gaussian around value t, cut at the ends."""
    values = torch.arange(256.0)
    return torch.softmax(-0.5 * ((values[:, None] - values) / sigma) ** 2, dim=-1)


@contextmanager
def mixed_precision() -> Iterator[None]:
    """Multiply matrices in bfloat16 but attend in float32.

    The CPU's attention kernel is two and a half times slower in bfloat16, backward above all, and
    autocast has no switch for it.
    """
    attention = F.scaled_dot_product_attention

    def in_float32(*tensors: torch.Tensor, **options: Any) -> torch.Tensor:
        with torch.autocast("cpu", enabled=False):
            return attention(*(tensor.float() for tensor in tensors), **options)

    F.scaled_dot_product_attention = in_float32
    try:
        with torch.autocast("cpu", torch.bfloat16):
            yield
    finally:
        F.scaled_dot_product_attention = attention


class Trainer:
    """Computes losses of a network on frames."""

    def __init__(self, model: MolmoActForActionReasoning, heads: Heads, vocab: Vocabulary) -> None:
        """Prepare the constant tensors."""
        self.model, self.heads, self.vocab = model, heads, vocab
        self._tap = HiddenTap(model, (_BLOCK_LAYER, _REACH_LAYER))
        self._prefix = torch.from_numpy(vocab.prefix)
        self._numbers = torch.from_numpy(vocab.numbers)
        self._actions = torch.from_numpy(vocab.actions)
        self._soft_numbers = soft_labels(COORDINATE_SIGMA)
        self._soft_actions = soft_labels(ACTION_SIGMA)
        self._hard_actions = torch.eye(256)

    def loss(
        self, name: str, frames: Frames, targets: Targets, index: np.ndarray, seed: int
    ) -> torch.Tensor:
        """Return the loss of a format on the frames ``index``."""
        form = self.vocab.formats[name]
        images = augment(frames.images[index], np.random.default_rng(seed))
        answers = torch.from_numpy(self.vocab.answers(form, targets, index))
        with mixed_precision():
            # Short answers share the image prefix in one row; long ones cost less in rows.
            predictors, prompt = self._run(form, images, answers, packed=not len(form.codes))
            logits = self.model.lm_head(predictors)
        token = self._token_loss(form, logits.float(), answers, targets, index)
        return token + self._head_loss(form, prompt, targets, index)

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
            torch.from_numpy(targets.block_uv[index]),
            torch.from_numpy(targets.gripper[index]),
            torch.from_numpy(targets.gripper_uv[index]),
        )

    def _run(
        self, form: Format, images: torch.Tensor, answers: torch.Tensor, packed: bool
    ) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
        """Return the states that predict the answer, ``[B, 3, La, D]``, and tapped states."""
        batch, start = len(images), len(self._prefix)
        prompts = torch.from_numpy(form.prompts).expand(batch, -1, -1)
        segment = torch.cat([prompts, answers[:, :, :-1]], dim=-1)
        length = segment.shape[-1]
        prefix = self.model.embed(
            self._prefix.expand(batch, -1), images, pooling_index(batch)
        )
        rest = self.model.embed(segment.flatten(1)).unflatten(1, (3, length))
        positions = torch.arange(start + length)
        if packed:
            embeds = torch.cat([prefix, rest.flatten(1, 2)], dim=1)
            order = torch.cat([positions, *[positions[start:]] * 2])
            mask = _packed_mask(start, length)
            hidden = self.model.run(embeds, order.expand(batch, -1), mask=mask)
        else:
            shared = prefix[:, None].expand(-1, 3, -1, -1)
            embeds = torch.cat([shared, rest], dim=2).flatten(0, 1)
            hidden = self.model.run(embeds, positions.expand(3 * batch, -1))

        def segments(states: torch.Tensor) -> torch.Tensor:
            if packed:
                return states[:, start:].unflatten(1, (3, length))
            return states[:, start:].unflatten(0, (batch, 3))

        tapped = {layer: segments(states) for layer, states in self._tap.outputs.items()}
        return segments(hidden)[:, :, form.prompt_length - 1 :], tapped

    def _token_loss(
        self,
        form: Format,
        logits: torch.Tensor,
        answers: torch.Tensor,
        targets: Targets,
        index: np.ndarray,
    ) -> torch.Tensor:
        log_z = logits.logsumexp(-1)
        expected = logits.gather(-1, answers[..., None])[..., 0]
        weights = torch.full((len(form.answer),), _WEIGHTS["template"])
        weights[form.codes] = _WEIGHTS["code"]
        coordinates = torch.from_numpy(targets.coordinates[index])
        soft = self._soft_numbers[coordinates]
        slots = logits[:, :, form.coordinates][..., self._numbers]
        expected = expected.index_copy(2, _long(form.coordinates), (slots * soft).sum(-1))
        weights[form.coordinates] = 1.0
        weights[form.coordinates[-2:]] = _WEIGHTS["end_point"]
        if form.rows:
            actions = torch.from_numpy(targets.actions[index, :, : form.rows]).flatten(2)
            moves = torch.arange(actions.shape[-1]) % _ROW < _SPACE
            soft = torch.where(
                moves[:, None], self._soft_actions[actions], self._hard_actions[actions]
            )
            first = int(self._actions[0])
            slots = logits[:, :, form.actions][..., first : first + 256]
            expected = expected.index_copy(2, _long(form.actions), (slots * soft).sum(-1))
            weights[form.actions] = _action_weights(form.rows)
        return ((log_z - expected).mean(dim=(0, 1)) * weights).sum() / weights.sum()

    def _head_loss(
        self, form: Format, tapped: dict[int, torch.Tensor], targets: Targets, index: np.ndarray
    ) -> torch.Tensor:
        goal = torch.from_numpy(targets.goal[index])
        at_color = tapped[_BLOCK_LAYER][:, :, form.second_color]
        block = self.heads.block_loss(at_color, torch.from_numpy(targets.block_uv[index]), goal)
        space = form.actions.reshape(-1, _ROW)[:, :_SPACE].ravel()
        slots = np.concatenate([form.coordinates, space]).astype(int)
        at = np.concatenate([[0], slots]) + form.prompt_length - 1
        reach = self.heads.reach_loss(
            tapped[_REACH_LAYER][:, :, at],
            torch.from_numpy(targets.gripper[index]),
            goal,
            torch.from_numpy(targets.goal_uv[index]),
            torch.from_numpy(targets.gripper_uv[index]),
        )
        return 2.0 * block + 2.0 * reach


def augment(images: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
    """Return network input with slightly changed brightness, colour balance and noise."""
    x = patches(images)
    batch = len(images)
    gain = 1.0 + 0.05 * rng.standard_normal((batch, 1, 1, 1))
    tint = 1.0 + 0.015 * rng.standard_normal((batch, 1, 1, 3))
    gains = np.tile(gain * tint, x.shape[-1] // 3).astype(np.float32)
    noise = 0.015 * torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32))
    return ((x + 1.0) * torch.from_numpy(gains) - 1.0 + noise).clamp(-1.0, 1.0)


def _packed_mask(start: int, length: int) -> torch.Tensor:
    """Return ``[1, 1, S, S]``: causal, and no colour sees another one."""
    owner = torch.cat([torch.zeros(start), *[torch.full((length,), c) for c in (1.0, 2.0, 3.0)]])
    causal = torch.ones(len(owner), len(owner), dtype=torch.bool).tril()
    return (causal & ((owner[:, None] == owner) | (owner == 0)))[None, None]


def _action_weights(rows: int) -> torch.Tensor:
    weights = torch.full((rows, _ROW), _WEIGHTS["constant"])
    weights[:, :_SPACE] = 1.0
    weights[0, :_SPACE] = _WEIGHTS["first_row"]
    return weights.flatten()


def _long(positions: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(positions).long()
