# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The shipped checkpoint in closed loop: few scenes, fixed seeds, whole answers, nothing forced."""

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from molmoact_ros.model import MolmoActForActionReasoning
from training.evaluate import AnswerPolicy, SteeredPolicy, run_episodes, steering_lines
from training.make_checkpoint import TEST_SEEDS
from training.sequences import Vocabulary
from training.tokenizer import build_tokenizer

FOLDER = Path(__file__).parents[2] / "checkpoints" / "tabletop"
SEEDS = list(range(TEST_SEEDS + 100, TEST_SEEDS + 103))
COLORS = np.array([0, 1, 2])


@pytest.fixture(scope="module")
def shipped():
    model = MolmoActForActionReasoning.from_pretrained(FOLDER).eval()
    vocab = Vocabulary(Tokenizer.from_file(str(FOLDER / "tokenizer.json")))
    return model, vocab


def test_tokenizer_is_the_one_of_the_code(shipped):
    _, vocab = shipped
    assert vocab.tokenizer.to_str() == build_tokenizer().to_str()


@pytest.mark.parametrize("colors", [COLORS, (COLORS + 1) % 3])
def test_reaches_the_named_block_in_the_same_scenes(shipped, colors):
    model, vocab = shipped
    policy = AnswerPolicy(model, vocab, model.config.norm_stats)
    episodes, _ = run_episodes(policy, SEEDS, colors, chunks=5)
    assert episodes.invalid_chunks == 0
    assert np.mean(episodes.nearest_is_named) == 1.0
    assert np.sum(episodes.final < 0.05) >= 2


def test_answers_the_steering_prompt_with_whole_chunks(shipped, camera):
    """Where the line leads is measured in training.json: it is followed in most scenes only."""
    model, vocab = shipped
    policy = AnswerPolicy(model, vocab, model.config.norm_stats, "steer")
    lines = steering_lines(SEEDS, COLORS, camera)
    episodes, _ = run_episodes(SteeredPolicy(policy, lines), SEEDS, COLORS, chunks=1)
    assert episodes.invalid_chunks == 0
