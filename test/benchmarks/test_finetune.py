# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The person of the finetune benchmark, the table, and the whole way with little of everything."""

import json
import os
import subprocess
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.finetune.person import Moves, Person, Seen
from benchmarks.finetune.results import passed, rows
from benchmarks.finetune.stages import (
    CELLS,
    EVALUATED_SEEDS,
    RECORDED_SEEDS,
    TAKE_OVER_SEEDS,
    Work,
    size,
)
from benchmarks.finetune.take_over import Progress
from molmoact_ros.record.settings import load_settings
from molmoact_ros.share import share
from molmoact_ros.sim import Tabletop, draw_task
from molmoact_ros.sim.expert import GOAL_ABOVE_BLOCK

ROOT = Path(__file__).parents[2]
PERIOD = 0.05  # s


def drive(table: Tabletop, act: object, seconds: float = 15.0) -> list[Moves]:
    """Let a person act until they are done; return what they did."""
    found: list[Moves] = []
    for _ in range(round(seconds / PERIOD)):
        seen = Seen(table.time, table.ee_pose()[0], table.finger_opening(), table.block_places())
        found.append(act(seen))  # type: ignore[operator]
        table.command_twist(found[-1].given, np.zeros(3))
        table.step(PERIOD)
        if found[-1].done:
            return found
    raise AssertionError("not done in time")


def test_a_person_is_disturbed_and_arrives_all_the_same() -> None:
    disturbed = []
    with closing(Tabletop()) as table:
        for seed in range(4):
            table.reset(seed)
            person, task = Person(draw_task("reach", seed), seed), draw_task("reach", seed)
            drive(table, person.go_to_start)
            np.testing.assert_allclose(table.ee_pose()[0], person.start, atol=0.02)
            moves = drive(table, person.show)
            assert table.distance(task.color) < 0.03
            disturbed.append(max(np.linalg.norm(m.given - m.wanted) for m in moves))
            assert np.linalg.norm(moves[-1].given) < 0.05, "the end is calm"
    assert min(disturbed) > 0.03 and max(disturbed) > 0.1


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_nothing_is_recorded_that_a_real_cell_does_not_have(cell: object) -> None:
    file = share() / "config" / "recording" / f"{cell.recording}.yaml"  # type: ignore[attr-defined]
    assert "/tabletop/blocks" not in load_settings(file).topics
    assert np.diff([EVALUATED_SEEDS, RECORDED_SEEDS, TAKE_OVER_SEEDS]).min() > 10_000


def evaluation(folder: Path, low: float, high: float) -> dict:
    content = {
        "summary": [
            {"successes": 3, "episodes": 4, "success_95_percent": [low, high],
             "refused_answers": 0, "answers": 9}
        ]
    }  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "evaluation.json").write_text(json.dumps(content))
    return content


def test_the_table_names_what_was_not_measured(tmp_path: Path) -> None:
    before = evaluation(tmp_path / "before", 0.0, 0.3)
    after = evaluation(tmp_path / "after_25", 0.31, 0.9)
    table = rows(Work(CELLS["camera_turned"], tmp_path, 4, ()), (25, 50))
    assert [row["reached"] for row in table] == ["3 of 4", "3 of 4", "not measured"]
    assert passed(before, after) and not passed(after, before)


def test_the_table_lists_what_else_was_measured(tmp_path: Path) -> None:
    names = ("constrained_before", "constrained_25", "graph_25", "graph_constrained_25")
    for name in (*names, f"after_{size(25, 20)}"):
        evaluation(tmp_path / name, 0.3, 0.9)
    table = rows(Work(CELLS["camera_turned"], tmp_path, 4, ()), (25,))
    assert [row["checkpoint"] for row in table[2:]] == [
        "shipped, constrained",
        "tuned on 25 episodes, constrained",
        "tuned on 25 episodes, through the ROS graph",
        "tuned on 25 episodes, constrained, through the ROS graph",
        "tuned on 25 episodes and 20 take-overs",
    ]
    assert all(row["reached"] == "3 of 4" for row in table[2:])


@pytest.mark.parametrize(
    ("speed", "stops_at", "needs_help"),
    # m/s, m from the goal: never moves, stops on its way, arrives, slowly, too slowly
    [
        (0.0, 0.3, True),
        (0.1, 0.1, True),
        (0.1, 0.01, False),
        (0.02, 0.01, False),
        (0.01, 0.01, True),
    ],
)
def test_a_person_takes_over_where_the_policy_makes_no_way(
    speed: float, stops_at: float, needs_help: bool
) -> None:
    task = draw_task("reach", 0)
    blocks = np.zeros((3, 3))
    progress = Progress(task, 5.0)
    for tick in range(2000):
        time = 0.05 * tick
        way = max(0.3 - speed * time, stops_at)
        gripper = GOAL_ABOVE_BLOCK + np.array([way, 0.0, 0.0])
        progress.take(Seen(5.0 + time, gripper, 0.05, blocks))
        if progress.verdict is not None:
            break
    assert progress.verdict is needs_help


@pytest.mark.long
@pytest.mark.timeout(1800)  # s; a machine may be busy
def test_the_whole_way_with_very_little_of_everything(tmp_path: Path) -> None:
    script = str(ROOT / "scripts" / "demo_finetune.sh")
    command = [script, "--quick", "--take-overs", "1", "--work", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for _ in range(2):  # the second time everything is there
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
    assert "| shipped |" in done.stdout and "| tuned on 4 episodes |" in done.stdout
    folder = tmp_path / "quick" / "camera_turned"
    assert len(list((folder / "episodes").glob("episode_*"))) == 4
    assert (folder / "data_4" / "report.html").is_file()
    assert (folder / "checkpoint_4" / "model.safetensors").is_file()
    for name in ("after_4", "constrained_before", "constrained_4", "after_4_1"):
        assert (folder / name / "evaluation.json").is_file()
    table = pq.read_table(folder / "data_4_1" / "data", columns=["annotation.human"])
    human = np.array(table["annotation.human"].to_pylist()).ravel()
    assert human.any() and not human.all(), "the policy's steps and the person's"
