# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The `vocab_tail` checkpoint's tokens are Qwen2's, and its answers, labels and files agree."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_files import DATA

from molmoact_ros.answer import ActionTokenizer, parse_answer
from molmoact_ros.answer.prompts import reasoning_answer, reasoning_prompt, steering_prompt
from molmoact_ros.finetune.losses import draw_bins
from molmoact_ros.model import MolmoActForActionReasoning, VqVae
from molmoact_ros.processing import MolmoActProcessor
from training.data import Frames
from training.export import export_checkpoint, norm_statistics
from training.heads import Heads
from training.losses import TailTrainer
from training.network import build_network
from training.sequences import (
    GROUPS,
    MOVING,
    TAIL_FORMATS,
    ActionScale,
    TailVocabulary,
    Targets,
    Vocabulary,
    make_targets,
    token_id,
)
from training.tail_tokenizer import build_tail_tokenizer
from training.warm_start import warm_start

SPELLINGS = DATA / "action_spellings.json"


@pytest.fixture(scope="module")
def tail() -> TailVocabulary:
    return TailVocabulary(build_tail_tokenizer())


@pytest.fixture(scope="module")
def model(tail: TailVocabulary) -> MolmoActForActionReasoning:
    torch.manual_seed(0)
    return build_network(tail.size, codebook="vocab_tail").eval()


def test_actions_are_tokenised_as_by_the_whole_qwen2_vocabulary(tail: TailVocabulary) -> None:
    lists = json.loads(SPELLINGS.read_text(encoding="utf-8"))
    assert len(lists) == 16
    for text, *tokens in lists:
        ids = tail.tokenizer.encode(text).ids
        assert [tail.tokenizer.id_to_token(token) for token in ids] == tokens
        assert tail.tokenizer.decode(ids) == text
    counts = [len(tokens) / 56 for _, *tokens in lists[12:]]
    assert 4.3 < np.mean(counts) < 5.3  # separators included


def test_words_numbers_and_phrases_stay_single_tokens(
    tail: TailVocabulary, vocab: Vocabulary
) -> None:
    for text in (
        f"User: {reasoning_prompt('reach the green block', 1)} Assistant:",
        f"User: {steering_prompt('reach the red block', 1)} Assistant:",
        " The depth map of the image is <DEPTH_START><DEPTH_7><DEPTH_END>",
        ". The trajectory of the end effector is [[1, 255], [34, 7]]",
    ):
        mine, first = (tokens.tokenizer.encode(text) for tokens in (tail, vocab))
        assert mine.tokens == first.tokens


@pytest.mark.parametrize(
    "text",
    [
        " " + reasoning_answer("<DEPTH_START><DEPTH_0><DEPTH_END>", "[[1, 2]]", "[[Ý¥, È²]]", 1),
        "Grüße,\n öffne 中文 12345  [[1,2],[3 , 4]] 'x' don't 🤖 ½ ³",
    ],
)
def test_text_survives(tail: TailVocabulary, text: str) -> None:
    ids = tail.tokenizer.encode(text).ids
    assert tail.tokenizer.decode(ids, skip_special_tokens=True) == text


@pytest.mark.parametrize("name", TAIL_FORMATS)
def test_answers_are_the_tokens_of_their_text(
    tail: TailVocabulary, targets: Targets, name: str
) -> None:
    form, batch = tail.formats[name][0], targets[np.arange(3)].of_group(0)
    answers = tail.answers(form, batch)
    codec = ActionTokenizer("vocab_tail")
    for image, color in ((0, 0), (2, 1)):
        keep = answers.weight[image, color] > 0
        ids = answers.ids[image, color][keep].tolist()
        text = tail.tokenizer.decode(ids, skip_special_tokens=True)
        assert tail.tokenizer.encode(text).ids == (ids if name == "opening" else ids[:-1])
        assert (ids[-1] == tail.eos) == (name != "opening")
        written = text.rpartition(" is ")[2].strip("[]., ").replace("]", "").replace("[", "")
        bins = [codec.bin_of(string) for string in written.split(", ")]
        assert bins == batch.actions[image, color, : form.rows].ravel().tolist()


def test_full_answer_reads_back_as_the_labels(
    tail: TailVocabulary, frames: Frames, targets: Targets, scale: ActionScale
) -> None:
    form, batch = tail.formats["full"][0], targets.of_group(0)
    answers = tail.answers(form, batch)
    text = tail.tokenizer.decode(answers.ids[4, 2].tolist(), skip_special_tokens=True)
    stats = norm_statistics(frames, scale)
    answer = parse_answer(text, stats, action_tokenizer=ActionTokenizer("vocab_tail"), rows=8)
    assert answer.problems == () and answer.trajectory is not None
    assert (answer.trajectory.ravel() == batch.coordinates[4, 2]).all()
    assert np.ptp(answer.actions[:, :3]) > 0 and (answer.actions[:, 3:] == 0).all()


def test_drawn_bins_are_near_and_constants_stay(tail: TailVocabulary) -> None:
    wanted = np.full((50, 3, 56), 128)
    rng = np.random.default_rng(0)
    drawn = draw_bins(wanted, np.tile(MOVING, 8), False, rng).reshape(50, 3, 8, 7)
    assert (drawn[..., 3:] == 128).all()
    assert 3.0 < drawn[..., :3].std() < 5.0 and abs(drawn[..., :3].mean() - 128) < 0.5


@pytest.mark.parametrize("name", TAIL_FORMATS)
def test_every_token_but_padding_counts(
    tail: TailVocabulary,
    model: MolmoActForActionReasoning,
    frames: Frames,
    targets: Targets,
    name: str,
) -> None:
    form, batch = tail.formats[name][0], targets[np.arange(4)].of_group(0)
    fed = replace(form.content(batch), bins=np.zeros((4, 3, 7 * form.rows), dtype=int))
    fed.bins[0, 0] = 130  # of another length
    answers = tail.answers(form, batch, fed)
    ends = (answers.weight > 0).sum(axis=-1)
    assert np.ptp(ends) > 0
    behind = np.arange(answers.ids.shape[-1]) >= ends[..., None]
    assert ((answers.weight == 0) == behind).all()
    with torch.inference_mode():
        loss = TailTrainer(model, Heads(), tail).loss(name, frames, targets, np.arange(2), seed=0)
    assert torch.isfinite(loss)


def test_it_learns_from_the_labels_of_reaching_alone(
    tail: TailVocabulary, model: MolmoActForActionReasoning, frames: Frames, scale: ActionScale
) -> None:
    codes = np.zeros((len(frames), 10, 10), dtype=np.uint8)
    reach = make_targets(frames, codes, scale, GROUPS[:1])
    with torch.inference_mode():
        loss = TailTrainer(model, Heads(), tail).loss("full", frames, reach, np.arange(2), seed=0)
    assert torch.isfinite(loss)


def test_exported_files_are_read_with_the_right_codebook(
    tail: TailVocabulary,
    model: MolmoActForActionReasoning,
    frames: Frames,
    scale: ActionScale,
    tmp_path: Path,
) -> None:
    vqvae = VqVae(hidden_size=16, halvings=2, num_codes=128, code_size=64)
    stats = norm_statistics(frames, scale)
    export_checkpoint(tmp_path, model, vqvae, tail.tokenizer, stats)
    loaded = MolmoActForActionReasoning.from_pretrained(tmp_path)
    assert loaded.config.action_codebook == "vocab_tail"
    processor = MolmoActProcessor.from_pretrained(tmp_path)
    text = reasoning_prompt("reach the blue block", 1)
    batch = processor(images=frames.images[0], text=text)
    expected = [*tail.prefix, *tail.formats["full"][0].prompts[2]]
    assert batch["input_ids"][0].tolist() == [int(token) for token in expected]


def test_known_tokens_keep_their_rows(
    tail: TailVocabulary, vocab: Vocabulary, model: MolmoActForActionReasoning, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    before, heads = build_network(vocab.size), Heads()
    content = {"model": before.state_dict(), "heads": heads.state_dict()}
    torch.save(content, tmp_path / "stage.pt")
    after = build_network(tail.size, codebook="vocab_tail")
    warm_start(after, Heads(), tmp_path / "stage.pt", vocab, tail)
    for token in ("Ġred", "<DEPTH_77>", "255", "],Ġ[", "<|endoftext|>"):
        new, old = (token_id(some.tokenizer, token) for some in (tail, vocab))
        assert (after.lm_head.weight[new] == before.lm_head.weight[old]).all()
    clause = ". Based on these information, the action that the robot should take is"
    new = token_id(tail.tokenizer, clause)
    old = token_id(vocab.tokenizer, clause + " ")
    assert (after.lm_head.weight[new] == before.lm_head.weight[old]).all()
    # The bin whose spelling alone ends with a token gives it the row of its byte.
    blocks = "model.transformer.blocks.0"
    same = [k for k in after.state_dict() if k.startswith(blocks)]
    assert all((after.state_dict()[k] == before.state_dict()[k]).all() for k in same) and same
