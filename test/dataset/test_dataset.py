# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""molmoact-dataset from bags to files, as the published reader sees them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from molmoact_ros.answer import ActionStats, to_pixels
from molmoact_ros.cli.dataset import main
from molmoact_ros.model import load_vqvae
from molmoact_ros.model.depth_encoder import DepthEncoder
from molmoact_ros.sim import Tabletop

ROOT = Path(__file__).parents[2]
CHECKPOINT = ROOT / "checkpoints" / "tabletop"
KEY = "observation.images.camera"


@pytest.fixture(scope="module")
def made(bags: Path, recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a data set of both bags, with depth codes of the depth camera."""
    out = tmp_path_factory.mktemp("made") / "cell"
    arguments = [str(bags), "-o", str(out), "--recording", str(recording)]
    arguments += ["--checkpoint", str(CHECKPOINT), "--license", "CC-BY-4.0"]
    assert main(arguments) == 0
    return out


@pytest.fixture(scope="module")
def rows(made: Path) -> dict[str, np.ndarray]:
    table = pq.read_table(made / "data" / "chunk-000" / "file-000.parquet")
    return {name: np.array(table[name].to_pylist()) for name in table.column_names}


@pytest.fixture(scope="module")
def facts(made: Path) -> dict[str, Any]:
    return json.loads((made / "meta" / "molmoact.json").read_text())


def of_episode(rows: Mapping[str, np.ndarray], name: str, facts: Mapping[str, Any]) -> dict:
    """Return the rows of the episode from a bag."""
    number = [episode["bag"] for episode in facts["episodes"]].index(name)
    return {key: values[rows["episode_index"] == number] for key, values in rows.items()}


@pytest.mark.parametrize("is_all", [False, pytest.param(True, marks=pytest.mark.long)])
def test_lerobot_loads_it(
    is_all: bool, made: Path, rows: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """By the published reader, and by all of lerobot in an environment of its own."""
    reader = Path(sys.prefix) / "lerobot"
    python = ROOT / ".venv-lerobot" / "bin" / "python" if is_all else Path(sys.executable)
    if not (python if is_all else reader).exists():
        pytest.skip("scripts/test.sh --all installs lerobot" if is_all else "run scripts/setup.sh")
    program = Path(__file__).with_name("read_by_lerobot.py")
    environment = {**os.environ, "PYTHONPATH": "" if is_all else str(reader),
                   "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}  # fmt: skip
    command = [str(python), "-W", "ignore", str(program), str(made), str(tmp_path / "seen.npz")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    seen = np.load(tmp_path / "seen.npz")
    read = json.loads(str(seen["facts"]))
    assert (read["fps"], read["episodes"], read["frames"]) == (10, 2, len(rows["index"]))
    assert read["cameras"] == [KEY] and read["splits"] == {"train": "0:1", "val": "1:2"}
    assert read["action_names"] == ["x", "y", "z", "roll", "pitch", "yaw", "gripper"]
    assert set(read["tasks"]) == {"reach the red block", "pick up the blue block"}
    steps = seen["steps"]
    for key in ("action", "annotation.depth_codes", "annotation.trajectory", "timestamp"):
        assert np.allclose(seen[key], rows[key][steps]), key
    assert KEY in read["stats"] and "action" in read["stats"]
    assert np.allclose(seen["last_chunk"][0], rows["action"][rows["episode_index"] == 1][0])
    # The pictures are those of the steps: as in the bag, but for the loss of JPEG and H.264.
    assert seen[KEY].shape[1:] == (3, 126, 126)
    sim = Tabletop(3 if read["tasks"][0].startswith("reach") else 8)
    first = sim.render("camera", 126, 126)[0] / 255.0
    sim.close()
    assert np.abs(seen[KEY][0].transpose(1, 2, 0) - first).mean() < 0.02
    assert np.abs(seen[KEY][0] - seen[KEY][-1]).mean() > 0.03, "another scene at the end"


def test_actions_and_states_are_the_measured_motion(
    rows: dict[str, np.ndarray], facts: dict[str, Any]
) -> None:
    reach = of_episode(rows, "reach", facts)
    state, action = reach["observation.state"], reach["action"]
    # One step of 0.1 s: where nothing was left out, the next state is this one plus the action.
    steps = np.diff(reach["annotation.stamp_ns"]) == 100_000_000
    assert steps.sum() > 10
    assert np.allclose(np.diff(state[:, :3], axis=0)[steps], action[:-1, :3][steps], atol=1e-6)
    assert np.linalg.norm(action[:5, :3], axis=1).min() > 0.005, "it moves at the beginning"
    assert not action[:, 6].any() and np.allclose(state[:, 6], 0.0, atol=0.05), "open all the time"
    pick = of_episode(rows, "pick", facts)
    assert set(pick["action"][:, 6]) == {0.0, 1.0}, "the gripper as it was commanded"
    assert pick["observation.state"][-1, 6] > 0.5, "and as it was measured"


def test_statistics_make_a_checkpoint_of_it(
    rows: dict[str, np.ndarray], facts: dict[str, Any]
) -> None:
    stats = ActionStats.from_norm_stats(facts["norm_stats"], "cell")
    training = rows["action"][np.isin(rows["episode_index"], facts["split"]["training"])]
    assert np.allclose(stats.q01, np.quantile(training, 0.01, axis=0), atol=1e-7)
    assert np.allclose(stats.q99, np.quantile(training, 0.99, axis=0), atol=1e-7)
    assert stats.mask.tolist() == [True] * 6 + [False]
    assert facts["split"] == {"training": [0], "held_out": [1]} and facts["license"] == "CC-BY-4.0"
    assert facts["gripper"] == {"column": "gripper", "open": 0.0, "closed": 1.0}


def test_trajectories_end_at_the_block(rows: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    reach = of_episode(rows, "reach", facts)
    points = reach["annotation.trajectory"].reshape(-1, 5, 2)
    counts = reach["annotation.trajectory_points"]
    assert counts.max() <= 5 and counts[0] >= 2 and (points >= 0).all() and (points <= 255).all()
    sim = Tabletop(3)
    start = sim.camera("camera", 126, 126).project(sim.ee_pose()[0])
    block = sim.camera("camera", 126, 126).project(sim.block_pose("red")[0])
    sim.close()
    ends = to_pixels(points[0][[0, counts[0] - 1]], (126, 126))
    assert np.allclose(ends[0], start, atol=0.3), "it begins at the gripper"
    assert np.linalg.norm(ends[1] - block) < 8.0, "px"


def test_depth_codes_are_those_of_the_depth_camera(
    rows: dict[str, np.ndarray], facts: dict[str, Any]
) -> None:
    reach = of_episode(rows, "reach", facts)
    encoder = DepthEncoder(load_vqvae(CHECKPOINT / "vae-final.safetensors"))
    sim = Tabletop(3)
    expected = encoder.codes_of_metric(sim.render("camera", 126, 126)[1])
    sim.close()
    assert np.mean(reach["annotation.depth_codes"][0] == expected) > 0.9
    assert facts["depth"]["source"] == "camera" and len(facts["depth"]["vqvae_sha256"]) == 64


def test_pauses_are_left_out_and_counted(facts: dict[str, Any]) -> None:
    reach = next(e for e in facts["episodes"] if e["bag"] == "reach")
    assert reach["steps"] + reach["idle_steps_dropped"] == 30
    assert reach["idle_steps_dropped"] >= 10, "a second of rest, less the first half of it"
    total = sum(e["idle_steps_dropped"] for e in facts["episodes"])
    assert facts["dropped"]["idle_steps"] == total


def test_the_report_shows_pictures_that_exist(made: Path) -> None:
    page = (made / "report.html").read_text()
    names = [part.split('"')[0] for part in page.split('src="')[1:]]
    assert len(names) == 8 and "reach the red block" in page and "CC-BY-4.0" in page
    for name in names:
        assert cv2.imread(str(made / name)) is not None, name
    assert "depth camera sees the end effector" in page and "not checked" not in page


def test_episodes_can_be_thrown_away(
    bags: Path, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(bags), "-o", str(tmp_path / "out"), "--recording", str(recording)]
    assert main([*arguments, "--drop", "pick@0.0", "--held-out", "0"]) == 0
    facts = json.loads((tmp_path / "out" / "meta" / "molmoact.json").read_text())
    assert [episode["name"] for episode in facts["episodes"]] == ["reach@0.0"]
    assert facts["dropped"]["thrown_away"] == 1 and facts["depth"] is None
    assert main([*arguments[:-3], str(tmp_path / "b"), *arguments[-2:], "--drop", "typo"]) == 1
    assert "--drop typo: no such episode; there are: pick@0.0 reach@0.0" in capsys.readouterr().err
