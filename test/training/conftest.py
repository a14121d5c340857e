# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Shared by the training tests: tokens, a few rendered frames and their labels."""

from pathlib import Path

import numpy as np
import pytest
import torch

from molmoact_ros.model import MolmoActForActionReasoning, VqVae
from training.data import Frames, make_frames
from training.export import export_checkpoint, norm_statistics
from training.network import build_network
from training.sequences import ActionScale, Targets, Vocabulary, fit_scale, make_targets
from training.tokenizer import build_tokenizer


@pytest.fixture(scope="session")
def vocab() -> Vocabulary:
    return Vocabulary(build_tokenizer())


@pytest.fixture(scope="session")
def frames() -> Frames:
    return make_frames(12, seed=5)


@pytest.fixture(scope="session")
def scale(frames: Frames) -> ActionScale:
    return fit_scale(frames)


@pytest.fixture(scope="session")
def targets(frames: Frames, scale: ActionScale) -> Targets:
    codes = np.random.default_rng(0).integers(0, 128, (len(frames), 10, 10), dtype=np.uint8)
    return make_targets(frames, codes, scale)


@pytest.fixture(scope="session")
def exported(
    tmp_path_factory: pytest.TempPathFactory, vocab: Vocabulary, frames: Frames, scale: ActionScale
) -> tuple[Path, MolmoActForActionReasoning]:
    """Return a checkpoint folder with random weights, and the network in it."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("checkpoint")
    model = build_network(vocab.size).eval()
    vqvae = VqVae(hidden_size=16, halvings=2, num_codes=128, code_size=64)
    export_checkpoint(folder, model, vqvae, vocab.tokenizer, norm_statistics(frames, scale))
    return folder, model
