# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The inputs of the network may mislead it, its targets never change; heads read cells."""

import numpy as np
import pytest
import torch

from molmoact_ros.finetune.answers import FIXED
from training.data import Frames
from training.heads import Heads
from training.losses import OPEN_BYTE, SPACE, Trainer, steered
from training.network import PATCH, POOLED, WIDTH, build_network
from training.sequences import Targets, Vocabulary


@pytest.fixture(scope="module")
def trainer(vocab: Vocabulary) -> Trainer:
    torch.manual_seed(0)
    return Trainer(build_network(vocab.size), Heads(), vocab)


def test_what_is_fed_differs_in_values_alone(
    trainer: Trainer, vocab: Vocabulary, targets: Targets
) -> None:
    form = vocab.formats["full"][1]
    pick = targets[np.tile(np.arange(len(targets.codes)), 10)].of_group(1, misleading=2)
    pick.actions[: len(pick.actions) // 2, ..., -1] = 255  # else nothing is closed so far away
    wanted = form.content(pick)
    fed = trainer._fed(form, pick, np.random.default_rng(3))
    answers = vocab.answers(form, pick, fed)
    fixed = answers.kind == FIXED
    assert (answers.ids == vocab.answers(form, pick).ids)[fixed].all()
    assert (fed.codes == wanted.codes).all()
    rows = fed.bins.reshape(pick.actions.shape)
    away = (rows - pick.actions)[..., :SPACE]
    assert 4 < away[np.abs(away) < 20].std() < 8
    assert (rows[..., SPACE:-1] == pick.actions[..., SPACE:-1]).all()
    opened = rows[..., -1] != pick.actions[..., -1]
    assert 0.1 < opened.mean() < 0.2 and (rows[..., -1][opened] == OPEN_BYTE).all()
    away = np.abs(fed.coordinates - pick.coordinates)
    assert away[..., :2].max() < 12, "the first point is right"
    assert 0.1 < (away.max(axis=-1) > 12).mean() < 0.5, "some are misled"


def test_the_gripper_is_read_where_it_is(targets: Targets) -> None:
    heads, part = Heads(), slice(0, 4)
    names = ("block_uv", "gripper", "gripper_uv")
    labels = [torch.from_numpy(getattr(targets, name)[part]) for name in names]
    with torch.no_grad():
        heads.cells.weight.zero_()
        heads.hand.weight[:3].zero_()  # presence and offset, which all cells have
    features = torch.randn(4, POOLED**2, WIDTH, requires_grad=True)
    heads.vision_loss(features, *labels).backward()
    column, row = (targets.gripper_uv[part] / 255 * 125 // (2 * PATCH)).astype(int).T
    assert features.grad is not None
    read = features.grad.abs().sum(-1) > 0
    assert (read.sum(-1) == 1).all() and read[np.arange(4), POOLED * row + column].all()


def test_lines_are_drawn_to_the_block_whose_actions_are_asked_for(
    frames: Frames, targets: Targets
) -> None:
    batch, rng = targets.of_group(0), np.random.default_rng(0)
    images, chosen = steered(frames, batch, targets.earlier[:, 0], rng)
    ends = chosen.goal_uv[:, 0] / 255 * 125
    changed = (images != frames.images).any(axis=-1)
    for picture, (x, y) in zip(changed, ends, strict=True):
        assert picture.any()
        rows, columns = np.nonzero(picture)
        assert np.hypot(columns - x, rows - y).min() < 5, "the line ends at the goal"
    colors = (chosen.goal == batch.goal).all(axis=-1).argmax(axis=1)
    assert set(colors) == {0, 1, 2}
