# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Episodes in one process: simulated time, the executor's rules, and the shipped checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from molmoact_ros.demo.graph import default_checkpoint
from molmoact_ros.evaluate.actors import TABLETOP, ExpertActor, Look, PolicyActor
from molmoact_ros.evaluate.episode import make_episodes
from molmoact_ros.evaluate.in_process import InProcess, Timing
from molmoact_ros.evaluate.workers import Setting, run_episodes, tabletop_robot
from molmoact_ros.policy import MolmoActPolicy
from molmoact_ros.policy.types import Reasoning
from molmoact_ros.sim import load_cell

CELLS = Path(__file__).parents[2] / "config" / "cells"
FIRST_SEED = 100_000
SCENES = 4  # of the shipped checkpoint, per row


class Downwards:
    """Looks, and always answers: down by 1 cm per step, eight times."""

    form = TABLETOP
    sees = True
    chunk_seconds = 0.8

    def __init__(self, valid: bool = True) -> None:
        self.looks: list[Look] = []
        self._valid = valid

    def answer(self, look: Look) -> Reasoning:
        """Remember the look."""
        self.looks.append(look)
        actions = np.zeros((8, 7))
        actions[:, 2] = -0.01
        return Reasoning(
            None, np.empty((0, 2)), "predicted", actions, self._valid, (), None, None, "", "", (), 0
        )  # fmt: skip


@pytest.fixture(scope="module")
def policy() -> MolmoActPolicy:
    return MolmoActPolicy.from_pretrained(default_checkpoint(), device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def cell() -> Iterator[InProcess]:
    with closing(InProcess(None, tabletop_robot(), Timing())) as made:
        yield made


@pytest.mark.parametrize(
    ("answer_seconds", "interval"),
    # The world waits; answers that overlap with the chunk; answers that are too slow for that.
    [(0.0, 0.8), (0.3, 0.3), (0.5, 1.3)],
)
def test_looks_are_paced_as_the_policy_node_paces_them(
    cell: InProcess, answer_seconds: float, interval: float
) -> None:
    cell.actor = actor = Downwards()
    cell.timing = Timing(seconds=4.0, answer_seconds=answer_seconds)
    cell.run(make_episodes("policy", "push", 5, 1)[0])
    times = [look.moment.time for look in actor.looks]
    np.testing.assert_allclose(np.diff(times), interval, atol=0.011)


def test_the_executor_keeps_the_limits_whatever_the_policy_answers(cell: InProcess) -> None:
    cell.actor = actor = Downwards()
    cell.timing = Timing(seconds=3.0, answer_seconds=0.0)
    result = cell.run(make_episodes("policy", "push", 5, 1)[0])
    heights = [look.moment.gripper[2] for look in actor.looks]
    floor = tabletop_robot().limits.workspace.min[2]  # type: ignore[union-attr]
    assert heights[1] < heights[0] - 0.05
    assert min(heights) > floor - 0.005, "the table is not touched"
    assert not result.halted


def test_an_arm_that_is_commanded_on_where_it_cannot_go_halts(cell: InProcess) -> None:
    cell.actor = Downwards()
    cell.timing = Timing(seconds=6.0, answer_seconds=0.0)
    result = cell.run(make_episodes("policy", "push", 5, 1)[0])
    assert "max_following_error" in result.halted


def test_answers_that_are_not_trusted_do_not_move_the_arm(cell: InProcess) -> None:
    cell.actor = Downwards(valid=False)
    cell.timing = Timing(seconds=1.0, answer_seconds=0.0)
    result = cell.run(make_episodes("policy", "reach", 5, 1)[0])
    assert result.refused_answers == result.answers == 10, "a look at every picture"
    assert result.path_length == 0.0


def test_in_another_cell_its_conventions_count() -> None:
    """Frame, gripper and words of another robot: its expert arrives, the usual one does not."""
    cell = load_cell(CELLS / "other_robot.yaml")
    robot = tabletop_robot(0, cell.robot)
    episode = make_episodes("expert", "reach", 1, 1, "easy", cell)[0]
    assert episode.instruction == "reach the lime block"
    results = []
    for actor in (ExpertActor(cell), ExpertActor()):
        with closing(InProcess(actor, robot, Timing(seconds=6.0), cell=cell)) as made:
            results.append(made.run(episode).success)
    assert results == [True, False]


@pytest.mark.parametrize("kind", ["reach", "pick", "push"])
@pytest.mark.parametrize("variation", ["easy", "varied"])
def test_the_expert_does_every_task(cell: InProcess, kind: str, variation: str) -> None:
    cell.actor = ExpertActor()
    cell.timing = Timing(seconds=20.0)
    episode = make_episodes("expert", kind, FIRST_SEED, 1, variation)[0]
    first, second = cell.run(episode), cell.run(episode)
    assert first.success
    same = ("seconds", "path_length", "final_distance", "nearest")
    assert [getattr(first, n) for n in same] == [getattr(second, n) for n in same]


def test_nothing_succeeds_without_motion(tmp_path: Path) -> None:
    setting = Setting(default_checkpoint(), True, 5.0, 0, 0.5, tmp_path, None, 1)
    episodes = [e for kind in ("reach", "pick") for e in make_episodes("none", kind, 1, 2)]
    results = list(run_episodes(setting, episodes))
    assert [r.success for r in results] == [False] * 4
    assert all(r.path_length == 0.0 and r.seconds < 2.0 for r in results)


def test_workers_do_what_one_does(tmp_path: Path) -> None:
    setting = Setting(default_checkpoint(), True, 2.0, 0, 0.5, tmp_path, None, 1)
    episodes = make_episodes("random", "reach", FIRST_SEED, 4)
    alone = {r.seed: r.path_length for r in run_episodes(setting, episodes)}
    shared = {r.seed: r.path_length for r in run_episodes(setting, episodes, workers=2)}
    assert alone == shared


def test_more_episodes_than_a_pipe_holds_begin_and_can_be_left(tmp_path: Path) -> None:
    setting = Setting(default_checkpoint(), True, 2.0, 0, 0.5, tmp_path, None, 1)
    runs = run_episodes(setting, make_episodes("none", "reach", 1, 2000), workers=2)
    assert not next(runs).success
    runs.close()


def test_the_shipped_checkpoint_reaches_the_block_that_is_named(
    policy: MolmoActPolicy, cell: InProcess, tmp_path: Path
) -> None:
    cell.actor = PolicyActor(policy)
    cell.timing = Timing(seconds=12.0, answer_seconds=0.0)
    cell.videos = tmp_path
    for series in ("policy", "swapped"):
        episode = make_episodes(series, "reach", FIRST_SEED, 1)[0]
        result = cell.run(episode)
        assert result.success, result
        assert result.nearest == episode.task.color
    cell.videos = None
    video = cv2.VideoCapture(str(next(tmp_path.glob("swapped_easy_*.*"))))
    assert video.get(cv2.CAP_PROP_FRAME_HEIGHT) == 480


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
def test_the_shipped_checkpoint_does_what_is_asked(
    policy: MolmoActPolicy, cell: InProcess, series: str, kind: str, variation: str
) -> None:
    # Sums differ in their last digits from processor to processor, and with them whole episodes;
    # success rates are the business of molmoact-evaluate (docs/tabletop.md).
    cell.actor = PolicyActor(policy)
    cell.timing = Timing()
    episodes = make_episodes(series, kind, FIRST_SEED, SCENES, variation)
    results = [cell.run(episode) for episode in episodes]
    assert not any(result.halted for result in results)
    assert sum(result.success for result in results) >= SCENES / 2, results
