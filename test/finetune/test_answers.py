# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers are the tokens of their text, with every tokenizer; labels add up to the Gaussian."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_files import GOLDEN

from molmoact_ros.answer import ActionTokenizer, trajectory_text
from molmoact_ros.answer.depth import DepthTokenizer
from molmoact_ros.answer.prompts import reasoning_answer, steering_answer
from molmoact_ros.finetune.answers import (
    COORDINATE,
    HARD_VALUE,
    SOFT_VALUE,
    Content,
    Weights,
    Writer,
)
from molmoact_ros.finetune.losses import AnswerLoss, soft_labels
from molmoact_ros.finetune.spelling import VALUE_CONTEXTS
from molmoact_ros.model.loading import load_config
from molmoact_ros.processing.tokenizer import load_tokenizer

SHIPPED = Path(__file__).parents[2] / "checkpoints"
CHECKPOINTS = {
    "byte_level": SHIPPED / "tabletop",
    "vocab_tail": SHIPPED / "tabletop_tail",
    "qwen": GOLDEN / "qwen_siglip",
    "olmo": GOLDEN / "olmo_clip",
}
MOVING = np.array([True, True, True, False, True, False])


@pytest.fixture(scope="module", params=CHECKPOINTS)
def writer(request: pytest.FixtureRequest) -> Writer:
    return make_writer(request.param)


def make_writer(name: str) -> Writer:
    folder = CHECKPOINTS[name]
    tokenizer = load_tokenizer(folder)
    codebook = load_config(folder).action_codebook
    return Writer(tokenizer.backend_tokenizer, codebook, int(tokenizer.eos_token_id))


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("images", [1, 2])
def test_answers_are_the_tokens_of_their_text(writer: Writer, rows: int, images: int) -> None:
    rng = np.random.default_rng(rows)
    points, codes = rng.integers(0, 256, (4, 2)), rng.integers(0, 128, 100)
    bins = rng.integers(0, 256, (rows, 6))
    bins[bins == 255] = 254  # 255 is the single value 1
    codec = ActionTokenizer(writer.codebook)
    values = codec.values[bins] if rows > 1 else codec.values[bins[0]]
    content = Content(points.reshape(1, -1), codes[None], bins.reshape(1, -1))
    single = writer.numbers is not None
    if single:
        form = writer.reasoning(4, rows, 6, images)
    else:
        form = writer.reasoning_of(points, rows, 6, images)
        content = replace(content, coordinates=np.zeros((1, 0), dtype=int))
    depth = DepthTokenizer().encode(codes.reshape(10, 10))
    texts = [reasoning_answer(depth, trajectory_text(points), codec.encode(values), images)]
    texts.append(steering_answer(codec.encode(values)))
    for each, text in zip((form, writer.steering(rows, 6)), texts, strict=True):
        few = len(each.coordinates)
        given = replace(content, coordinates=content.coordinates[:, :few])
        answers = writer.write(each, given, given, MOVING, Weights())
        assert answers.ids[0].tolist() == [*writer.encode(" " + text), writer.eos]
        assert (answers.weight > 0).all()
        assert (answers.kind == COORDINATE).sum() == (8 if few else 0)
        assert (answers.kind >= SOFT_VALUE).any()


def test_what_is_fed_is_labelled_with_what_is_wanted() -> None:
    writer = make_writer("byte_level")
    form = writer.steering(2, 6)
    wanted = Content(np.zeros((1, 0), int), np.zeros((1, 100), int), np.full((1, 12), 7))
    fed = replace(wanted, bins=np.full((1, 12), 9))
    answers = writer.write(form, fed, wanted, MOVING, Weights())
    values = answers.kind >= SOFT_VALUE
    assert (answers.ids[values] == writer.spelling.tokens[0, 9, 0]).all()
    assert (answers.label[values] == 7).all()
    assert ((answers.kind[values] == SOFT_VALUE).reshape(2, 6) == MOVING).all()
    loss = AnswerLoss(writer)
    logits = torch.full((answers.ids.size, 1088), -20.0)
    logits[torch.arange(answers.ids.size), torch.as_tensor(answers.ids[0])] = 20.0
    right = logits.clone()
    for place in np.flatnonzero(answers.kind[0] >= SOFT_VALUE):
        right[place, writer.spelling.tokens[0, 9, 0]] = -20.0
        right[place, writer.spelling.tokens[0, 7, 0]] = 20.0
    hard = answers.kind[0] == HARD_VALUE
    assert hard.any()
    only = replace(answers, weight=answers.weight * hard)
    assert loss(right[hard], only) < 1e-3 < 10 < loss(logits[hard], only)


def test_every_node_leads_to_the_bins_that_share_its_prefix() -> None:
    spelling = make_writer("vocab_tail").spelling
    context = VALUE_CONTEXTS.index((" ", ","))
    root = spelling.nodes[context, 0, 0]
    assert spelling.members[root].all()
    for bin_ in (0, 128, 255):
        length = spelling.lengths[context, bin_]
        sizes = [spelling.members[node].sum() for node in spelling.nodes[context, bin_, :length]]
        assert sizes == sorted(sizes, reverse=True) and sizes[-1] == 1
        assert (spelling.nodes[context, bin_, length:] == -1).all()


def test_token_labels_multiply_to_the_gaussian_over_bins() -> None:
    """A network that predicts the labels has, per value, the Gaussian's entropy."""
    writer = make_writer("vocab_tail")
    spelling, loss = writer.spelling, AnswerLoss(writer)
    gaussian = soft_labels(4.0)[100].double().numpy()
    form = writer.steering(1, 6)
    place = VALUE_CONTEXTS.index((" ", ","))
    bins = np.flatnonzero(gaussian > 1e-9)
    total = 0.0
    for bin_ in bins:
        wanted = Content(np.zeros((1, 0), int), np.zeros((1, 100), int), np.full((1, 6), 100))
        fed = replace(wanted, bins=np.full((1, 6), bin_))
        answers = writer.write(form, fed, wanted, np.full(6, True), Weights())
        first, length = answers.starts[0, 1], spelling.lengths[place, bin_]
        some = np.zeros(answers.weight.shape, dtype=np.float32)
        some[0, first : first + length] = 1.0
        nodes = answers.node[0, first : first + length]
        chances = np.zeros((length, 896))
        for row, node in enumerate(nodes):
            share = gaussian * spelling.members[node]
            np.add.at(chances[row], spelling.following[node], share / share.sum())
        logits = torch.from_numpy(np.log(chances.clip(1e-30))).float()
        total += gaussian[bin_] * float(loss(logits, replace(answers, weight=some))) * length
    entropy = -(gaussian[bins] * np.log(gaussian[bins])).sum()
    assert total == pytest.approx(entropy, rel=1e-3)
