# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Varied scenes: another look, the same places; and easy ones as before."""

from collections.abc import Iterator

import numpy as np
import pytest

from molmoact_ros.sim import Tabletop
from molmoact_ros.sim.scene import DISTRACTORS


@pytest.fixture(scope="module")
def table() -> Iterator[Tabletop]:
    table = Tabletop()
    yield table
    table.close()


def _blocks(table: Tabletop) -> np.ndarray:
    return np.stack([table.block_pose(color)[0] for color in table.colors])


def test_places_stay_and_looks_change(table: Tabletop) -> None:
    table.reset(4)
    easy, blocks, camera = table.render()[0], _blocks(table), table.camera().position
    table.reset(4, "varied")
    assert np.allclose(_blocks(table), blocks) and not np.allclose(table.camera().position, camera)
    varied = table.render()[0]
    assert np.abs(varied.astype(int) - easy).mean() > 5.0
    table.reset(4, "varied")
    assert (table.render()[0] == varied).all(), "the same seed, the same look"
    table.reset(4)
    assert (table.render()[0] == easy).all(), "nothing of the varied scene is left"


def test_distractors_rest_on_the_table_away_from_the_blocks(table: Tabletop) -> None:
    seen = 0
    for seed in range(6):
        table.reset(seed, "varied")
        table.step(0.3)
        for name in DISTRACTORS:
            place = table.data.body(name).xpos
            if place[0] < 2.0:
                seen += 1
                assert abs(place[2] - 0.4 - DISTRACTORS[name].half_height) < 0.003
                assert np.linalg.norm((_blocks(table) - place)[:, :2], axis=1).min() > 0.08
    assert seen > 3


def test_an_unknown_variation_is_named(table: Tabletop) -> None:
    with pytest.raises(ValueError, match="'hard'"):
        table.reset(0, "hard")
