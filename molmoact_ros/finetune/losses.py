# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Cross entropy with soft labels: a neighbouring coordinate or action bin is nearly as good.

A label of a value is a Gaussian over bins. At each of its tokens the target is what the Gaussian
implies for the next token, given the tokens before. Their cross entropies add up to the bin's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from .answers import COORDINATE, HARD_VALUE, SOFT_VALUE, Answers, Writer

COORDINATE_SIGMA = 3.0  # of 0..255
SINGLE_SIGMA = 6.0  # of 256 bins, where a value is one token
SPELLED_SIGMA = 4.0  # where it is several: greedy choice of tokens is then 1.7 bins from the mean
FARTHEST = 12  # bins that a fed value of several tokens may differ from its label
POINT_NOISE = 2.0  # standard deviation of the noise on coordinates that are fed


def soft_labels(sigma: float) -> torch.Tensor:
    """Return `[256, 256]`: row t is a Gaussian around value t, cut at the ends."""
    values = torch.arange(256.0)
    return torch.softmax(-0.5 * ((values[:, None] - values) / sigma) ** 2, dim=-1)


@contextmanager
def mixed_precision(device: str) -> Iterator[None]:
    """Multiply matrices in bfloat16; on a CPU, attend in float32."""
    with float32_attention(device), torch.autocast(device, torch.bfloat16):
        yield


@contextmanager
def float32_attention(device: str) -> Iterator[None]:
    """On a CPU, attend in float32 within mixed precision; blocks that are recomputed need it, too.

    The CPU's attention kernel is two and a half times slower in bfloat16, backward above all, and
    autocast has no switch for it.
    """
    attention: Any = F.scaled_dot_product_attention

    def in_float32(*tensors: torch.Tensor, **options: Any) -> torch.Tensor:
        with torch.autocast(device, enabled=False):
            return attention(*(tensor.float() for tensor in tensors), **options)

    if device == "cpu":
        F.scaled_dot_product_attention = in_float32  # type: ignore[assignment]
    try:
        yield
    finally:
        F.scaled_dot_product_attention = attention


class AnswerLoss:
    """The loss of answers of one checkpoint."""

    def __init__(self, writer: Writer, device: torch.device | str = "cpu") -> None:
        """Prepare the constant tensors."""
        spelling = writer.spelling
        sigma = SINGLE_SIGMA if spelling.single else SPELLED_SIGMA
        with torch.device(device):
            self._members = torch.as_tensor(spelling.members)
            self._following = torch.as_tensor(spelling.following)
            self._bins = torch.stack([soft_labels(sigma), torch.eye(256)])
            self._soft_numbers = soft_labels(COORDINATE_SIGMA)
            self._numbers = None if writer.numbers is None else torch.as_tensor(writer.numbers)

    def __call__(self, logits: torch.Tensor, answers: Answers) -> torch.Tensor:
        """Return the weighted mean over all tokens.

        Args:
            logits: float32 `[n, E]` of the tokens with a weight, in the order of `answers.ids`.
            answers: What was fed, and the labels.
        """
        counts = answers.weight > 0

        def flat(array: np.ndarray) -> torch.Tensor:
            return torch.as_tensor(array[counts], device=logits.device)

        ids, kind, label, node, weight = map(
            flat, (answers.ids, answers.kind, answers.label, answers.node, answers.weight)
        )
        expected = logits.gather(-1, ids[:, None])[:, 0]
        at = (kind == COORDINATE).nonzero()
        if len(at):
            assert self._numbers is not None
            slots = logits[at, self._numbers]
            expected = expected.index_copy(
                0, at[:, 0], (slots * self._soft_numbers[label[at[:, 0]]]).sum(-1)
            )
        at = ((kind == SOFT_VALUE) | (kind == HARD_VALUE)).nonzero()
        if len(at):
            row = at[:, 0]
            share = self._bins[(kind[row] == HARD_VALUE).long(), label[row]]
            share = share * self._members[node[row]]
            share = share / share.sum(-1, keepdim=True)
            slots = logits[at, self._following[node[row]]]
            expected = expected.index_copy(0, row, (slots * share).sum(-1))
        return ((logits.logsumexp(-1) - expected) * weight).sum() / weight.sum()


def noise(rng: np.random.Generator, sigma: float, shape: tuple[int, ...]) -> np.ndarray:
    """Return whole numbers around 0."""
    return np.rint(rng.normal(0.0, sigma, shape)).astype(np.int64)


def draw_bins(
    wanted: np.ndarray, moving: np.ndarray, single: bool, rng: np.random.Generator
) -> np.ndarray:
    """Return bins near the wanted ones.

    Args:
        wanted: int64 `[..., V]`.
        moving: bool `[V]`; the others stay.
        single: Whether a value is one token: the label is then free of what is fed.
        rng: Of the noise.
    """
    away = noise(rng, SINGLE_SIGMA if single else SPELLED_SIGMA, wanted.shape) * moving
    return (wanted + (away if single else away.clip(-FARTHEST, FARTHEST))).clip(0, 255)
