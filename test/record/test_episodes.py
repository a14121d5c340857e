# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Episodes as files, without ROS."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest
import yaml

from molmoact_ros.control.robot_profile import load_profile, robot_path
from molmoact_ros.output_files import WriteError
from molmoact_ros.record import notes
from molmoact_ros.record.definitions import know
from molmoact_ros.record.episodes import EpisodeError, Episodes
from molmoact_ros.record.settings import load_settings, settings_from
from molmoact_ros.replay import Bag, BagError
from molmoact_ros.replay.types import message_types
from molmoact_ros.yaml_config import ProfileError

ROOT = Path(__file__).parents[2]
RECORDING = ROOT / "config" / "recording" / "tabletop.yaml"
NOTE = notes.BeginNote("close the box", {"robot": "tabletop"}, {})
TEXT = "std_msgs/msg/String"


@pytest.fixture(scope="module")
def types() -> Any:
    return message_types()


def text(types: Any, content: str) -> bytes:
    return bytes(types.serialize_cdr(types.types[TEXT](data=content), TEXT))


def test_an_episode_is_one_readable_bag(tmp_path: Path, types: Any) -> None:
    episodes = Episodes(tmp_path, types, min_free=0)
    assert episodes.begin(NOTE, 1) == "episode_0001"
    episodes.write("/note", TEXT, 5, text(types, "hello"))
    episodes.end({"/camera": 3}, 9)
    assert not (tmp_path / "episode_0001").exists(), "it looks whole only when it is kept"
    path = episodes.keep()
    with Bag(path, types) as bag:
        assert bag.first("/note").data == "hello"
        assert notes.read_note(notes.BeginNote, bag.first(notes.BEGIN_TOPIC).data) == NOTE
        end = notes.read_note(notes.EndNote, bag.first(notes.END_TOPIC).data)
    assert end.lost == {"/camera": 3} and end.messages == {"/note": 1}
    assert episodes.begin(NOTE, 10) == "episode_0002"


def test_what_is_not_possible_now_is_told(tmp_path: Path, types: Any) -> None:
    episodes = Episodes(tmp_path, types, min_free=0)
    for act in (episodes.keep, episodes.discard, lambda: episodes.end({}, 1)):
        with pytest.raises(EpisodeError, match="no episode"):
            act()
    with pytest.raises(EpisodeError, match="there is no instruction"):
        episodes.begin(notes.BeginNote(" ", {}, {}), 1)
    episodes.begin(NOTE, 1)
    with pytest.raises(EpisodeError, match="episode_0001 is being recorded"):
        episodes.begin(NOTE, 2)
    episodes.end({}, 3)
    with pytest.raises(EpisodeError, match="keep it or throw it away"):
        episodes.begin(NOTE, 4)
    episodes.discard()
    assert not list(tmp_path.glob("*/episode_*"))
    with pytest.raises(EpisodeError, match="MB left, an episode needs min_free_space"):
        Episodes(tmp_path, types, min_free=10**9).begin(NOTE, 1)


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, types: Any) -> None:
    episodes = Episodes(tmp_path, types, min_free=0)
    episodes.begin(NOTE, 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(WriteError, match="episode_0001 cannot be written: File too large"):
            for time in range(100):
                episodes.write("/note", TEXT, time, text(types, "x" * 100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.glob("*/*"))
    episodes.write("/note", TEXT, 1, b"")  # what still comes is not recorded
    assert episodes.begin(NOTE, 2) == "episode_0001"


def test_what_a_crash_left_is_set_aside(tmp_path: Path, types: Any) -> None:
    crashed = Episodes(tmp_path, types, min_free=0)
    crashed.begin(NOTE, 1)
    for time in range(30):
        crashed.write("/note", TEXT, time, text(types, "x" * 100_000))
    after = Episodes(tmp_path, types, min_free=0)
    assert after.set_aside() == [tmp_path / "unfinished" / "episode_0001"]
    assert after.begin(NOTE, 1) == "episode_0002"
    with pytest.raises(BagError, match="episode_0001.*has no metadata.yaml"):
        Bag(tmp_path / "unfinished" / "episode_0001", types)


def test_definitions_of_other_packages_come_from_where_they_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "share" / "arm_msgs" / "msg"
    folder.mkdir(parents=True)
    (folder / "State.msg").write_text("std_msgs/Header header\nInner[] parts\n")
    (folder / "Inner.msg").write_text("float64[3] force\n")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    types = message_types()
    know(types, "arm_msgs/msg/State")
    assert types.generate_msgdef("arm_msgs/msg/State", ros_version=2)[0].count("force") == 1
    with pytest.raises(LookupError, match="definition of arm_msgs/msg/Missing is not installed"):
        know(types, "arm_msgs/msg/Missing")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cameras": {}}, "cameras: must name at least one camera"),
        ({"cameras": {"a": {"image": "/i"}, "b": {"image": "/i"}}}, "the same image topic"),
        ({"cameras": {"a/b": {"image": "/i"}}}, "letters, digits and _ only"),
        ({"end_effector": {}}, "end_effector.pose: give either pose or frame"),
        ({"joint_states": ""}, "joint_states: is missing: gripper.joint"),
        ({"instruction": ""}, "instruction: must not be empty"),
        ({"gripper": {"open": 1.0}}, "gripper.joint: give joint, command, or both"),
        ({"typo": 1}, "typo: unknown key"),
    ],
)
def test_wrong_settings_are_refused_by_their_key(change: dict[str, Any], words: str) -> None:
    content = {**yaml.safe_load(RECORDING.read_text()), **change}
    with pytest.raises(ProfileError, match="cell.yaml") as refused:
        settings_from(content, "cell.yaml")
    assert words in str(refused.value)


def test_two_cameras_of_one_name_are_refused(tmp_path: Path) -> None:
    text = RECORDING.read_text().replace(
        "end_effector:", "  camera: {image: /other}\nend_effector:"
    )
    (tmp_path / "cell.yaml").write_text(text)
    with pytest.raises(ProfileError, match="cameras.camera: is given twice"):
        load_settings(tmp_path / "cell.yaml")


@pytest.mark.parametrize("name", ["tabletop", "ur5e", "franka", "so101"])
def test_the_examples_fit_their_robots(name: str) -> None:
    settings = load_settings(RECORDING.with_name(f"{name}.yaml"))
    # The SO-101's own profile is a copy that the user makes.
    robot = "so101_lerobot" if settings.robot == "so101_own.yaml" else settings.robot
    profile = load_profile(robot_path(robot))
    if settings.end_effector.pose and name != "tabletop":
        assert settings.end_effector.pose.lstrip("/") == profile.topics["ee_pose"]
    if not profile.action.cartesian:
        assert settings.joint_states.lstrip("/") == profile.topics["joint_states"]
    assert settings.uses_tf == (name in ("franka", "so101"))
