# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a replay leaves behind: the tables, the video, and a bag that ROS understands."""

import csv
import json
import resource
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import Reader
from rosbags.typesys.store import Typestore

from molmoact_ros.output_files import WriteError
from molmoact_ros.policy.types import ActionFormat
from molmoact_ros.replay import Bag, Replay, ReplaySettings
from molmoact_ros.replay.result_folder import ResultFolder
from molmoact_ros.replay.tables import Table
from molmoact_ros.viz import depth_picture

CAMERA = "/tabletop/camera/image/compressed"
NAMES = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
FORM = ActionFormat("ee_delta", NAMES, 0.1, "base_link")
SETTINGS = ReplaySettings((CAMERA,), instruction="reach the red block", limit=6)


@pytest.fixture
def folder(bag: Bag, policy: Any, types: Typestore, tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    with ResultFolder(folder, types, FORM, rate=10.0, is_mcap=True) as results:
        for answer in Replay(bag, policy, SETTINGS):
            results.write(answer)
    assert (results.answers, results.untrusted) == (6, 2)
    assert results.video == folder / "replay.mp4"
    return folder


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_tables(folder: Path) -> None:
    answers, actions = table(folder / "answers.csv"), table(folder / "actions.csv")
    assert len(answers) == 6 and len(actions) == 12
    first, doubtful = answers[0], answers[2]
    assert first["stamp_s"] == "1700000000.000000000" and first["valid"] == "1"
    assert answers[1]["stamp_s"] == "1700000000.100000000"
    assert json.loads(first["trajectory_px"]) == [[0.0, 0.0], [251.0, 125.5]]
    assert (first["tokens"], first["forward_passes"]) == ("3", "2")
    assert (first["decode_s"], first["total_s"], first["vision_s"]) == ("0.2500", "0.5000", "")
    assert doubtful["valid"] == "0" and doubtful["problems"] == "no depth; one row is short"
    assert json.loads(doubtful["trajectory_px"]) == [] and doubtful["confidence"] == ""
    assert (actions[1]["row"], actions[1]["time_s"]) == ("1", "1700000000.100000000")
    assert float(actions[1]["gripper"]) == pytest.approx(0.13 + 1)
    assert actions[5]["z"] == "", "NaN is left empty"


def test_the_video_shows_every_answer(folder: Path) -> None:
    video = cv2.VideoCapture(str(folder / "replay.mp4"))
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(10.0)
    frames = []
    while (frame := video.read()[1]) is not None:
        frames.append(frame)
    assert len(frames) == 6
    height, width, _ = frames[0].shape
    assert height == 480 and width > 2 * height
    depth, black = frames[0][:, -height:], frames[2][:, -height:]
    assert depth.max() > 150 and black.max() < 40, "depth on the right where there is one"


def test_the_bag_has_the_nodes_topics_and_times(folder: Path, types: Typestore) -> None:
    with Bag(folder / "bag", types) as bag:
        assert bag.is_mcap
        counts = {topic.name: topic.count for topic in bag.topics}
        assert counts == {
            "/molmoact_policy/reasoning": 6,
            "/molmoact_policy/depth": 6,
            "/molmoact_policy/trajectory": 6,
            "/molmoact_policy/action_chunk": 6,
            "/molmoact_policy/overlay/compressed": 6,
            "/molmoact_policy/depth_image": 4,
        }
        chunk = bag.first("/molmoact_policy/action_chunk")
        assert chunk.names == list(NAMES) and chunk.header.frame_id == "base_link"
        assert (chunk.horizon, chunk.dof, chunk.step_period) == (2, 7, 0.1)
        overlay = bag.first("/molmoact_policy/overlay/compressed")
        assert overlay.header.frame_id == "camera_optical" and overlay.header.stamp.sec == 1.7e9
        picture = cv2.imdecode(overlay.data, cv2.IMREAD_COLOR)
        assert picture is not None and picture.shape == (252, 252, 3)
        times = {message.log_time for message in bag.messages(["/molmoact_policy/reasoning"])}
        assert min(times) == 1_700_000_000_004_000_000 and len(times) == 6


def test_the_depth_picture_is_the_decoded_one(folder: Path, types: Typestore, policy: Any) -> None:
    with Bag(folder / "bag", types) as bag:
        image = bag.first("/molmoact_policy/depth_image")
    codes = (np.arange(100, dtype=np.uint8) % 16).reshape(10, 10)
    expected = depth_picture(policy.relative_depth(codes), (252, 252))
    assert np.array_equal(image.data.reshape(252, 252, 3), expected)


def test_ros_reads_the_messages(folder: Path) -> None:
    serialization = pytest.importorskip("rclpy.serialization")
    from molmoact_ros.msg import ActionReasoning, Trajectory2D

    with Reader(folder / "bag") as reader:
        links = [link for link in reader.connections if link.topic.endswith("/reasoning")]
        raw = [data for _, _, data in reader.messages(links)]
    first, _, doubtful, *_ = (
        serialization.deserialize_message(bytes(data), ActionReasoning) for data in raw
    )
    assert first.instruction == "reach the red block" and first.text == "the answer"
    assert list(first.depth.codes) == [code % 16 for code in range(100)] and first.depth.rows == 10
    assert list(first.trajectory.x) == [0.0, 251.0] and list(first.trajectory.y) == [0.0, 125.5]
    assert first.trajectory.source == Trajectory2D.SOURCE_PREDICTED
    assert first.trajectory.image_width == 252
    assert first.actions.valid and first.actions.confidence == 0.75
    assert list(first.actions.values[:3]) == pytest.approx([1.0, 1.01, 1.02])
    assert list(first.actions.spread) == [0.5] * 14 and first.actions.sequence == 1
    assert dict(zip(first.stage_names, first.stage_seconds, strict=True)) == {
        "decode": 0.25, "total": 0.5,
    }  # fmt: skip
    assert list(first.draft_sources) == ["grammar", "time"]
    assert list(first.drafted_tokens) == [7, 5] and list(first.accepted_tokens) == [0, 4]
    assert not doubtful.actions.valid and len(doubtful.depth.codes) == 0
    assert list(doubtful.problems) == ["no depth", "one row is short"]
    assert np.isnan(doubtful.actions.confidence) and np.isnan(doubtful.actions.values[9])


def test_the_type_hashes_are_those_of_ros(types: Typestore) -> None:
    """Players refuse a bag whose types differ from those that are installed."""
    packages = pytest.importorskip("ament_index_python.packages")
    share = Path(packages.get_package_share_directory("molmoact_ros"))
    for name in ("ActionChunk", "ActionReasoning", "DepthTokens", "Trajectory2D"):
        content = json.loads((share / "msg" / f"{name}.json").read_text(encoding="utf-8"))
        hashes = {h["type_name"]: h["hash_string"] for h in content["type_hashes"]}
        kind = f"molmoact_ros/msg/{name}"
        assert types.hash_rihs01(kind) == hashes[kind]


@pytest.mark.parametrize("is_mcap", [True, False], ids=["mcap", "sqlite"])
def test_a_full_disk_is_reported_with_the_name_of_the_bag(
    bag: Bag, policy: Any, types: Typestore, tmp_path: Path, is_mcap: bool
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(WriteError, match=f"{tmp_path}/results/bag cannot be written"):
            with ResultFolder(tmp_path / "results", types, FORM, rate=10.0, is_mcap=is_mcap) as out:
                for answer in Replay(bag, policy, SETTINGS):
                    out.write(answer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with (tmp_path / "results" / "answers.csv").open() as file:
        assert file.read().startswith("sequence,"), "what was written is kept"


def test_a_full_disk_is_reported_with_the_name_of_the_table(tmp_path: Path) -> None:
    (tmp_path / "answers.csv").symlink_to("/dev/full")
    with pytest.raises(WriteError, match="answers.csv cannot be written: No space left on device"):
        with Table(tmp_path / "answers.csv", ("sequence",)):
            pass


def test_results_are_never_overwritten(folder: Path, types: Typestore) -> None:
    with pytest.raises(FileExistsError, match="choose another by --out"):
        ResultFolder(folder, types, FORM, rate=10.0, is_mcap=False)
