# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The shipped checkpoint does what is asked: few scenes, fixed seeds, the product's own loop.

Success rates are `molmoact-evaluate`'s business (docs/tabletop.md). Here half of the scenes is
enough: sums differ in their last digits from processor to processor, and with them whole episodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from molmoact_ros.demo.graph import default_checkpoint
from molmoact_ros.evaluate.actors import PolicyActor
from molmoact_ros.evaluate.episode import make_episodes
from molmoact_ros.evaluate.in_process import InProcess, Timing
from molmoact_ros.evaluate.workers import tabletop_robot
from molmoact_ros.policy import MolmoActPolicy

FIRST_SEED = 100_000
SCENES = 4


@pytest.fixture(scope="module")
def cell() -> Iterator[InProcess]:
    policy = MolmoActPolicy.from_pretrained(default_checkpoint(), device="cpu", dtype="float32")
    with closing(InProcess(PolicyActor(policy), tabletop_robot(), Timing())) as made:
        yield made


@pytest.mark.parametrize(
    ("series", "kind", "variation"),
    [
        ("policy", "reach", "easy"),
        ("policy", "reach", "varied"),
        ("policy", "pick", "easy"),
        ("policy", "push", "easy"),
        ("swapped", "reach", "easy"),
        ("steered", "reach", "easy"),
    ],
)
def test_does_what_is_asked(cell: InProcess, series: str, kind: str, variation: str) -> None:
    episodes = make_episodes(series, kind, FIRST_SEED, SCENES, variation)
    results = [cell.run(episode) for episode in episodes]
    assert not any(result.halted for result in results)
    assert sum(result.success for result in results) >= SCENES / 2, results
