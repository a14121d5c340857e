# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is tried, steering lines, and the command's arguments."""

from pathlib import Path

import numpy as np
import pytest

from molmoact_ros.cli import evaluate
from molmoact_ros.evaluate.episode import make_episodes
from molmoact_ros.evaluate.steering import LineJudge, line_to_block
from molmoact_ros.sim import CameraModel, Task, draw_task

CAMERA = CameraModel(
    width=256,
    height=256,
    matrix=np.array([[300.0, 0.0, 127.5], [0.0, 300.0, 127.5], [0.0, 0.0, 1.0]]),
    position=np.array([1.3, 0.75, 1.6]),
    rotation=np.diag([1.0, -1.0, -1.0]),  # looks straight down
)
GRIPPER = np.array([1.3, 0.75, 0.55])
BLOCK = np.array([1.2, 0.65, 0.42])


def test_a_swapped_episode_wants_another_block_in_the_same_scene() -> None:
    for plain, swapped in zip(
        make_episodes("policy", "push", 7, 6), make_episodes("swapped", "push", 7, 6), strict=True
    ):
        assert plain.task == plain.words == draw_task("push", plain.seed)
        assert swapped.task == swapped.words
        assert swapped.seed == plain.seed
        assert swapped.task.color != plain.task.color
        assert swapped.task.side == plain.task.side


def test_a_wrong_instruction_is_judged_by_what_was_not_asked_for() -> None:
    episode = make_episodes("wrong-instruction", "pick", 3, 1)[0]
    assert episode.task == draw_task("pick", 3)
    assert episode.words.color != episode.task.color


def test_a_steered_episode_draws_to_another_block_than_the_words_name() -> None:
    episode = make_episodes("steered", "reach", 3, 1)[0]
    assert episode.is_steered
    assert episode.words == draw_task("reach", 3)
    assert episode.task == Task("reach", episode.task.color)
    assert episode.task.color != episode.words.color


def test_a_line_leads_from_the_gripper_to_the_block() -> None:
    line = line_to_block(CAMERA, GRIPPER, BLOCK)
    assert 2 <= len(line) <= 5
    start, end = (CAMERA.project(point) for point in (GRIPPER, BLOCK + [0, 0, 0.015]))
    np.testing.assert_allclose(line[0], start, atol=0.01)
    np.testing.assert_allclose(line[-1], end, atol=0.01)


def test_a_line_is_followed_once_the_gripper_rests_at_its_end() -> None:
    judge = LineJudge(CAMERA, line_to_block(CAMERA, GRIPPER, BLOCK))
    assert judge.error(GRIPPER) > 25
    assert not judge.update(0.0, GRIPPER)
    assert [judge.update(t, BLOCK) for t in (1.0, 1.5, 2.0)] == [False, False, True]
    assert not judge.update(2.5, GRIPPER), "it went away again"


def test_all_is_all_tasks_and_no_actor_is_set_up_twice() -> None:
    words = ["--task", "all", "--series", "policy", "none", "swapped", "--episodes", "2"]
    episodes = evaluate._episodes(evaluate._parse(words))
    assert len(episodes) == 3 * 3 * 2
    actors = [episode.actor for episode in episodes]
    assert actors == ["policy"] * 12 + ["none"] * 6


@pytest.mark.parametrize(
    "words",
    [
        *(["--task", "fly"], ["--series", "best"], ["--episodes", "0"], ["--workers", "33"]),
        *(["--variation", "wild"], ["--execute-steps", "-1"]),
    ],
)
def test_wrong_arguments_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        evaluate._parse(words)


def test_a_checkpoint_that_is_missing_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    words = ["--in-process", "--series", "random", "--checkpoint", str(tmp_path / "no")]
    assert evaluate.main([*words, "--episodes", "1", "--out", str(tmp_path)]) == 1
    assert f"checkpoint {tmp_path / 'no'}" in capsys.readouterr().err
