# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the network hears may mislead it, what it shall say never changes; heads read cells."""

import numpy as np
import pytest
import torch

from training.heads import Heads
from training.losses import ROW, Trainer
from training.network import PATCH, POOLED, WIDTH, build_network


@pytest.fixture(scope="module")
def trainer(vocab):
    torch.manual_seed(0)
    return Trainer(build_network(vocab.size), Heads(), vocab)


def test_some_answers_hear_points_of_another_task_or_an_open_gripper(trainer, vocab, targets):
    form, pick = vocab.formats["full"][1], targets.of_group(1, misleading=2)
    answers = torch.from_numpy(vocab.answers(form, pick)).repeat(10, 1, 1)
    pick = targets[np.tile(np.arange(len(targets.codes)), 10)].of_group(1, misleading=2)
    heard = trainer._mislead(form, answers, pick, np.random.default_rng(3))
    changed = (heard != answers).numpy()
    grips = form.actions.reshape(-1, ROW)[:, -1]
    slots = np.concatenate([form.coordinates, grips])
    assert not np.delete(changed, slots, axis=-1).any()
    assert not changed[..., form.coordinates[:2]].any(), "the first point is right"
    assert 0.1 < changed[..., form.coordinates].any(axis=-1).mean() < 0.5
    closed = (answers[..., grips] == vocab.actions[255]).numpy()
    opened = changed[..., grips]
    assert (opened <= closed).all()
    assert (heard[..., grips].numpy()[opened] == vocab.actions[127]).all()


def test_fingers_are_read_where_the_gripper_is(targets):
    heads, part = Heads(), slice(0, 4)
    names = ("block_uv", "gripper", "gripper_uv", "fingers")
    labels = [torch.from_numpy(getattr(targets, name)[part]) for name in names]
    with torch.no_grad():
        heads.cells.weight.zero_()
        heads.hand.weight[:3].zero_()  # presence and offset, which all cells have
    features = torch.randn(4, POOLED**2, WIDTH, requires_grad=True)
    heads.vision_loss(features, *labels).backward()
    column, row = (targets.gripper_uv[part] / 255 * 125 // (2 * PATCH)).astype(int).T
    read = features.grad.abs().sum(-1) > 0
    assert (read.sum(-1) == 1).all() and read[np.arange(4), POOLED * row + column].all()
