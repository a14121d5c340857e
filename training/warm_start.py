# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Gives the `vocab_tail` network what the first one learned about reaching."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from molmoact_ros.model import MolmoActForActionReasoning

from .heads import Heads
from .sequences import TailVocabulary, Vocabulary

_TABLES = ("model.transformer.wte.embedding", "lm_head.weight")


def warm_start(
    model: MolmoActForActionReasoning,
    heads: Heads,
    file: Path,
    before: Vocabulary,
    vocab: TailVocabulary,
) -> None:
    """Load a stage's file of the first checkpoint into a network with another tokenizer.

    Tokens of the same text keep their rows. A token of action strings gets the mean row of the
    bins that it occurs in; any other new token keeps its random row.

    Args:
        model: The network, with random weights.
        heads: Its auxiliary heads.
        file: Of the stage.
        before: The tokens of the file's network.
        vocab: The tokens of `model`.
    """
    content = torch.load(file, map_location="cpu", weights_only=True)
    heads.load_state_dict(content["heads"])
    state, own = content["model"], model.state_dict()
    shares = _bin_shares(vocab)
    special = np.flatnonzero(shares.any(axis=-1) & ~shares.all(axis=-1))
    mean = torch.from_numpy(shares[special] / shares[special].sum(axis=-1, keepdims=True))
    for name in _TABLES:
        old, new = state[name], own[name].clone()
        for token, number in vocab.tokenizer.get_vocab().items():
            # The clause before the actions has lost its blank.
            found = [before.tokenizer.token_to_id(text) for text in (token, token + " ")]
            for known in found:
                if known is not None and max(known - len(old), number - len(new)) < 0:
                    new[number] = old[known]
        new[special] = mean.float() @ old[before.writer.spelling.tokens[0, :, 0]]
        state[name] = new
    model.load_state_dict(state)


def _bin_shares(vocab: TailVocabulary) -> np.ndarray:
    """Return `[E, 256]`: in how many contexts a bin's spelling has a token."""
    shares = np.zeros((vocab.size, 256))
    for spelled in vocab.writer.spelling.tokens:
        bins, depths = np.nonzero(spelled >= 0)
        np.add.at(shares, (spelled[bins, depths], bins), 1.0)
    return shares
