# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The losses of answers whose action values are several tokens each.

A label is a Gaussian over bins. The answer that the network reads holds a bin drawn from it, so
that all prefixes near the label are seen; at each of its tokens the target is what the Gaussian
implies for the next token, given the tokens before. Their cross entropies add up to the bin's.
"""

from __future__ import annotations

import numpy as np
import torch

from molmoact_ros.model import MolmoActForActionReasoning

from .heads import Heads
from .losses import (
    ROW,
    SPACE,
    TEMPLATE_WEIGHT,
    BaseTrainer,
    action_weights,
    soft_labels,
    template_weights,
)
from .sequences import Batch
from .tail_sequences import TailAnswers, TailFormat, TailVocabulary

_SIGMA = 4.0  # bins; the greedy choice of tokens alone is then 1.7 bins from the mean
_FARTHEST = 12  # bins
_TOKEN_WEIGHT = 0.5  # of an action value's weight


class TailTrainer(BaseTrainer):
    """Computes losses of the `vocab_tail` network on frames."""

    def __init__(
        self, model: MolmoActForActionReasoning, heads: Heads, vocab: TailVocabulary
    ) -> None:
        """Prepare the constant tensors."""
        super().__init__(model, heads, vocab)
        self._answers = vocab.answers
        self._members = torch.as_tensor(vocab.spelling.members)
        self._following = torch.as_tensor(vocab.spelling.following)
        self._soft_actions = soft_labels(_SIGMA)

    def _answer_loss(
        self,
        form: TailFormat,
        prompts: torch.Tensor,
        images: torch.Tensor,
        targets: Batch,
        rng: np.random.Generator,
    ) -> torch.Tensor:
        wanted = targets.actions[:, :, : form.rows].reshape(*prompts.shape[:2], -1)
        answers = self._answers(form, targets, draw_bins(wanted, rng))
        ids = torch.as_tensor(answers.ids)
        logits, tapped = self._forward(form, prompts, images, ids)
        log_z = logits.logsumexp(-1)
        expected = logits.gather(-1, ids[..., None])[..., 0]
        expected = self._soft_coordinates(form, logits, expected, targets)
        expected = self._soft_values(answers, logits, expected, wanted)
        weights = token_weights(form, answers)
        token = ((log_z - expected) * weights).sum() / weights.sum()
        # Where x, y, z are chosen; a row's first token is its bracket.
        first = answers.starts + (np.arange(wanted.shape[-1]) % ROW == 0)
        moves = first[..., np.arange(wanted.shape[-1]) % ROW < SPACE]
        fixed = np.broadcast_to(form.coordinates, (*moves.shape[:2], len(form.coordinates)))
        slots = np.concatenate([fixed, moves], axis=-1).astype(np.int64)
        return token + self._head_loss(form, tapped, torch.as_tensor(slots), targets)

    def _soft_values(
        self,
        answers: TailAnswers,
        logits: torch.Tensor,
        expected: torch.Tensor,
        wanted: np.ndarray,
    ) -> torch.Tensor:
        """Return `expected` `[B, C, La]` with mean logits where x, y, z are written."""
        moves = (answers.value >= 0) & (answers.value % ROW < SPACE)
        b, c, place = np.nonzero(moves)
        node = torch.as_tensor(answers.node[b, c, place])
        target = torch.as_tensor(wanted[b, c, answers.value[b, c, place]])
        share = self._soft_actions[target] * self._members[node]
        share /= share.sum(-1, keepdim=True)
        at = torch.as_tensor(moves)
        mean = (logits[at].gather(-1, self._following[node]) * share).sum(-1)
        return expected.masked_scatter(at, mean)


def draw_bins(wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return bins to write instead of `[..., rows * 7]`: x, y, z near them, the rest equal."""
    moves = np.arange(wanted.shape[-1]) % ROW < SPACE
    noise = np.rint(rng.normal(0.0, _SIGMA, wanted.shape)).astype(np.int64) * moves
    return (wanted + noise.clip(-_FARTHEST, _FARTHEST)).clip(0, 255)


def token_weights(form: TailFormat, answers: TailAnswers) -> torch.Tensor:
    """Return the weight of each token `[B, C, La]`; padding has none."""
    values = _TOKEN_WEIGHT * action_weights(form.rows)
    fixed = template_weights(form)
    weights = torch.full(answers.ids.shape, TEMPLATE_WEIGHT)
    weights[..., : len(fixed)] = fixed
    value = torch.as_tensor(answers.value)
    weights = torch.where(value >= 0, values[value], weights)
    return weights.masked_fill(torch.as_tensor(answers.padding), 0.0)
