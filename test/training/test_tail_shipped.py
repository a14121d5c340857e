# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The shipped `vocab_tail` checkpoint: closed loop, and the product's decoder with drafts."""

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from molmoact_ros.decoding import SOURCES
from molmoact_ros.model import MolmoActForActionReasoning
from molmoact_ros.policy import MolmoActPolicy, Observation
from molmoact_ros.policy.checkpoint_profile import choose_profile
from molmoact_ros.sim import Tabletop
from training.evaluate import AnswerPolicy, draw_tasks, run_episodes
from training.make_checkpoint import TEST_SEEDS
from training.sequences import TailVocabulary
from training.tail_tokenizer import build_tail_tokenizer

FOLDER = Path(__file__).parents[2] / "checkpoints" / "tabletop_tail"
SEEDS = range(TEST_SEEDS + 300, TEST_SEEDS + 303)


def test_tokenizer_is_the_one_of_the_code() -> None:
    shipped = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    assert shipped.to_str() == build_tail_tokenizer().to_str()


def test_reaches_the_block_that_is_named() -> None:
    model = MolmoActForActionReasoning.from_pretrained(FOLDER).eval()
    policy = AnswerPolicy(model, TailVocabulary(build_tail_tokenizer()), model.config.norm_stats)
    episodes, _ = run_episodes(policy, SEEDS, draw_tasks("reach", SEEDS))
    # Where the gripper rests at the block, some answers are malformed: nothing moves then.
    assert episodes.invalid_chunks < episodes.chunks / 2
    assert episodes.success.sum() >= 2


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    table = Tabletop(7)
    found = []
    for _ in range(3):
        found.append(table.render()[0])
        table.command_twist([0.05, 0.02, -0.1], [0.0, 0.0, 0.0])
        table.step(0.8)
    table.close()
    return found


def test_drafts_through_the_trie_change_nothing_but_the_number_of_passes(
    pictures: list[np.ndarray],
) -> None:
    config = MolmoActForActionReasoning.config_class.from_pretrained(FOLDER)
    profile, _ = choose_profile("renamed", config.norm_stats, config.llm_config.vocab_size)
    assert profile.name == "tabletop_tail"
    drafted, plain = (
        MolmoActPolicy.from_pretrained(
            FOLDER, device="cpu", dtype="float32", draft_sources=draft_sources
        )
        for draft_sources in (SOURCES, ())
    )
    for picture in pictures:
        observation = Observation({"camera": picture}, "reach the green block")
        fast, slow = drafted.infer(observation), plain.infer(observation)
        assert fast.ids == slow.ids and fast.valid, fast.problems
        assert len(slow.ids) > 300 and slow.forward_passes == len(slow.ids) - 1
        assert fast.forward_passes < slow.forward_passes / 2
        assert fast.actions.shape == (8, 7) and (fast.actions[:, 3:] == 0).all()
