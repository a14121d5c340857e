# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The command molmoact-replay over the small bag, with a golden checkpoint."""

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from molmoact_ros.cli.replay import main
from molmoact_ros.policy import MolmoActPolicy, Observation
from molmoact_ros.replay import Bag
from molmoact_ros.replay.types import message_types

ROOT = Path(__file__).parents[2]
DATA = ROOT / "test" / "data"
BAG = DATA / "bags" / "tabletop"
CHECKPOINT = ROOT / "checkpoints" / "tabletop"
POLICY = ["--device", "cpu", "--dtype", "float32"]
# Where the blocks are in the pictures of the bag, px.
BLOCKS = {"red": (136.0, 178.0), "green": (73.0, 187.0), "blue": (112.0, 160.0)}

WITHOUT_ROS = """
import sys
class NoRos:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        if top in {"rclpy", "rosidl_runtime_py", "ament_index_python", "builtin_interfaces"} or (
            top.endswith("_msgs") or name == "molmoact_ros.msg"
        ):
            raise ImportError(name + " is a ROS package")
sys.meta_path.insert(0, NoRos())
from molmoact_ros.cli.replay import main
sys.exit(main(sys.argv[1:]))
"""


def run(*arguments: str, bag: Path = BAG, checkpoint: Path = CHECKPOINT) -> int:
    return main([str(bag), "--checkpoint", str(checkpoint), *POLICY, *arguments])


def test_without_ros_the_answers_are_those_of_the_policy(tmp_path: Path) -> None:
    out = tmp_path / "out"
    environment = {k: v for k, v in os.environ.items() if k != "AMENT_PREFIX_PATH"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_ROS, str(BAG), "--checkpoint", str(CHECKPOINT), *POLICY,
         "--limit", "2", "--period", "1.5", "--out", str(out)],
        capture_output=True, text=True, timeout=150, check=False,
        env={**environment, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2, of which 0 are not trusted" in done.stdout
    assert "frame" in done.stderr, "a progress bar"
    assert {path.name for path in out.iterdir()} == {
        "answers.csv", "actions.csv", "replay.mp4", "bag",
    }  # fmt: skip
    with (out / "answers.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["instruction"] for row in rows] == ["reach the red block", "reach the blue block"]
    for row, color in zip(rows, ("red", "blue"), strict=True):
        end = np.array(json.loads(row["trajectory_px"])[-1])
        distances = {name: float(np.linalg.norm(end - place)) for name, place in BLOCKS.items()}
        assert min(distances, key=lambda name: distances[name]) == color, distances

    policy = MolmoActPolicy.from_pretrained(CHECKPOINT, device="cpu", dtype="float32")
    with Bag(BAG, message_types()) as bag, Bag(out / "bag", message_types()) as answers:
        picture = bag.first("/tabletop/camera/image/compressed")
        published = answers.first("/molmoact_policy/reasoning")
    rgb = np.ascontiguousarray(np.array(cv2.imdecode(picture.data, cv2.IMREAD_COLOR))[..., ::-1])
    reasoning = policy.infer(Observation({"camera": rgb}, "reach the red block"))
    assert published.text == reasoning.text
    assert published.actions.names == list(policy.profile.actions.names)
    assert np.allclose(published.actions.values, reasoning.actions.ravel())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--image-topic", "/typo"], "no image topic /typo"),
        (["--instruction-topic", "/typo"], "no String topic /typo"),
        (["--checkpoint", "nowhere/at/all"], "nowhere/at/all"),
        (["--unnorm-key", "nowhere"], "nowhere"),
        (["--instruction", "close <im_patch>", "--limit", "1"], "<im_patch>"),
    ],
)
def test_what_is_wrong_is_named(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--out", str(tmp_path / "out"), *arguments) == 1
    error = capsys.readouterr().err
    assert "error: " in error and words in error


def test_a_missing_bag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--out", str(tmp_path / "out"), bag=tmp_path / "nothing") == 1
    assert f"there is no bag {tmp_path / 'nothing'}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_full_folder_is_refused_before_anything_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").touch()
    assert run("--out", str(tmp_path), checkpoint=tmp_path / "nothing") == 1
    assert "not empty" in capsys.readouterr().err


def test_the_script_records_the_bag_of_the_test_data(tmp_path: Path) -> None:
    if importlib.util.find_spec("mujoco") is None:
        pytest.skip("the simulator is not installed")
    path = ROOT / "scripts" / "record_tabletop_bag.py"
    spec = importlib.util.spec_from_file_location("record_tabletop_bag", path)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.record(tmp_path / "tabletop", seconds=0.4, size=252, quality=80, seed=4)
    camera = "/tabletop/camera/image/compressed"
    with Bag(tmp_path / "tabletop", message_types()) as new, Bag(BAG, message_types()) as old:
        assert [t.name for t in new.topics] == [t.name for t in old.topics]
        jpegs = [bag.first(camera).data for bag in (new, old)]
    pictures = [np.array(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), int) for jpeg in jpegs]
    difference = np.abs(pictures[0] - pictures[1]).mean()
    assert difference < 2.0, "the same scene; another renderer may differ a little"
