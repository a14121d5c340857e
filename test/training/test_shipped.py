# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The shipped checkpoint as training sees it: its tokenizer, and closed loop in lock step.

What it does in the product's loop is tested in test/evaluate/test_in_process.py.
"""

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from molmoact_ros.model import MolmoActForActionReasoning
from training.evaluate import (
    AnswerPolicy,
    draw_tasks,
    run_episodes,
)
from training.make_checkpoint import TEST_SEEDS
from training.sequences import Vocabulary
from training.tokenizer import build_tokenizer

FOLDER = Path(__file__).parents[2] / "checkpoints" / "tabletop"
SEEDS = range(TEST_SEEDS + 300, TEST_SEEDS + 303)


@pytest.fixture(scope="module")
def shipped() -> tuple[MolmoActForActionReasoning, Vocabulary]:
    model = MolmoActForActionReasoning.from_pretrained(FOLDER).eval()
    vocab = Vocabulary(Tokenizer.from_file(str(FOLDER / "tokenizer.json")))
    return model, vocab


def test_tokenizer_is_the_one_of_the_code(
    shipped: tuple[MolmoActForActionReasoning, Vocabulary],
) -> None:
    _, vocab = shipped
    assert vocab.tokenizer.to_str() == build_tokenizer().to_str()


@pytest.mark.parametrize("other", [False, True], ids=["the seed's colour", "another colour"])
def test_reaches_the_named_block_in_the_same_scenes(
    shipped: tuple[MolmoActForActionReasoning, Vocabulary], other: bool
) -> None:
    model, vocab = shipped
    policy = AnswerPolicy(model, vocab, model.config.norm_stats)
    tasks = draw_tasks("reach", SEEDS)
    if other:
        tasks = [task.about_next_block() for task in tasks]
    episodes, _ = run_episodes(policy, SEEDS, tasks)
    assert episodes.invalid_chunks == 0
    assert episodes.success.sum() >= 2


@pytest.mark.parametrize("kind", ["pick", "push"])
def test_answers_to_other_tasks_are_well_formed(
    shipped: tuple[MolmoActForActionReasoning, Vocabulary], kind: str
) -> None:
    model, vocab = shipped
    policy = AnswerPolicy(model, vocab, model.config.norm_stats)
    episodes, _ = run_episodes(policy, SEEDS, draw_tasks(kind, SEEDS))
    assert episodes.invalid_chunks < episodes.chunks / 4


def test_follows_a_line_against_the_words(
    shipped: tuple[MolmoActForActionReasoning, Vocabulary],
) -> None:
    model, vocab = shipped
    policy = AnswerPolicy(model, vocab, model.config.norm_stats, "steer")
    tasks = draw_tasks("reach", SEEDS)
    episodes, _ = run_episodes(policy, SEEDS, tasks, steered=True)
    assert episodes.invalid_chunks == 0
    assert (episodes.line_error < 25).sum() >= 2
