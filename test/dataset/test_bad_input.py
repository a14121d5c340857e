# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Each bad recording is one sentence that names file and time; nothing is left behind."""

from __future__ import annotations

import copy
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from rosbags.typesys.store import Typestore

from molmoact_ros.cli.dataset import main
from molmoact_ros.record import notes

IMAGE = "/tabletop/camera/image/compressed"
INFO = "/tabletop/camera/camera_info"
DEPTH = "/tabletop/camera/depth"
POSE = "/tabletop/ee_pose"
JOINTS = "/joint_states"
TWIST = "/tabletop/twist"
INSTRUCTION = "/operator/instruction"
START = 1_700_000_000.0
MIDDLE = START + 1.0
CHECKPOINT = Path(__file__).parents[2] / "checkpoints" / "tabletop"
Change = Callable[[str, float, Any], Any]


def without(*topics: str) -> Change:
    return lambda topic, moment, message: None if topic in topics else message


def at_middle(wanted: str, spoil: Callable[[Any], None]) -> Change:
    """Change the messages of a topic for 0.1 s in the middle."""

    def change(topic: str, moment: float, message: Any) -> Any:
        if topic != wanted or not MIDDLE - 0.01 <= moment < MIDDLE + 0.09:
            return message
        spoiled = copy.deepcopy(message)
        spoil(spoiled)
        return spoiled

    return change


def restamp(offset: float, begin: float = MIDDLE) -> Change:
    """Shift the stamps of pictures from a time on, s."""

    def change(topic: str, moment: float, message: Any) -> Any:
        if topic != IMAGE or moment < begin:
            return message
        shifted = copy.deepcopy(message)
        stamp = shifted.header.stamp
        total = stamp.sec * 10**9 + stamp.nanosec + round(offset * 1e9)
        object.__setattr__(stamp, "sec", total // 10**9)
        object.__setattr__(stamp, "nanosec", total % 10**9)
        return shifted

    return change


def swapped(topic: str, moment: float, message: Any) -> Any:
    """Record the picture of 1.0 s after that of 1.1 s."""
    late = topic == IMAGE and MIDDLE - 0.01 <= moment < MIDDLE + 0.09
    return [(moment + 0.15, message)] if late else message


def slow_states(topic: str, moment: float, message: Any) -> Any:
    keep = topic not in (POSE, JOINTS) or round((moment - START) * 1000) % 200 <= 10
    return message if keep else None


def one_frame(topic: str, moment: float, message: Any) -> Any:
    return message if topic != IMAGE or moment < START + 0.05 else None


def jump(message: Any) -> None:
    message.pose.position.x += 0.5


def not_a_number(message: Any) -> None:
    message.pose.position.y = float("nan")


def in_another_frame(topic: str, moment: float, message: Any) -> Any:
    moved = copy.deepcopy(message)
    if topic == POSE:
        object.__setattr__(moved.header, "frame_id", "flange")
    return moved


def no_twist(message: Any) -> None:
    object.__setattr__(message.twist.linear, "x", float("inf"))


def fast(message: Any) -> None:
    object.__setattr__(message.twist.linear, "x", 5.0)


def no_states(topic: str, moment: float, message: Any) -> Any:
    return None if topic == POSE and MIDDLE < moment < MIDDLE + 0.8 else message


def broken_picture(message: Any) -> None:
    message.data = message.data[:100]


LAST_ERRORS: list[str] = []


def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], *more: str) -> int:
    """Run the command; nothing may be left."""
    capsys.readouterr()
    code = main([str(tmp_path / "bag"), "-o", str(tmp_path / "out"), *more])
    LAST_ERRORS[:] = capsys.readouterr().err.splitlines()
    left = sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("out"))
    assert left == [], "nothing half-written"
    return code


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without(INFO), f"camera 'camera' is not calibrated: no CameraInfo on {INFO}"),
        (without(INSTRUCTION), f"no instruction on {INSTRUCTION}"),
        (without(IMAGE), f"no messages on {IMAGE}; it has: {JOINTS}"),
        (without(POSE), f"no messages on {POSE}"),
        (restamp(-3600.0), f"bag at 1700000000.900 s: {IMAGE}: a message is stamped 3599.900 s "
         "before the one that was recorded before it: the clock was set back"),
        (restamp(5.0), f"bag at 1700000006.000 s: {IMAGE}: stamps and the times of recording "
         "part by +5.00 s"),
        (restamp(-60.0, START), f"{IMAGE} is stamped 60 s away from when it was recorded"),
        (swapped, "bag at 1700000001.100 s: " + IMAGE + ": a message is stamped 0.100 s before the "
         "one that was recorded before it: its messages are out of order"),
        (slow_states, f"{POSE} has 5.0 states a second, the control period is 0.1 s"),
        (at_middle(POSE, jump), "bag at 1700000000.900 s: a step of 0.5"),
        (at_middle(POSE, not_a_number), f"bag at 1700000001.000 s: {POSE} holds a value that is "
         "not finite"),
        (in_another_frame, f"{POSE} is in frame 'flange', the robot's profile has frame: "
         "base_link"),
        (no_states, f"{POSE} has no state for 0.8"),
        (one_frame, "bag at 1700000000.000 s: the episode 'reach the red block' has 1 picture(s)"),
        (at_middle(IMAGE, broken_picture), f"bag at 1700000001.000 s: {IMAGE}: "),
    ],
)  # fmt: skip
def test_a_bad_recording_is_one_sentence(
    change: Change,
    words: str,
    reach: Any,
    types: Typestore,
    write: Callable[..., Path],
    recording: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(tmp_path / "bag", types, reach, change)
    assert refused(tmp_path, capsys, "--recording", str(recording)) == 1
    errors = [line for line in LAST_ERRORS if line.startswith("error: ")]
    assert len(errors) == 1 and words in errors[0] and str(tmp_path / "bag") in errors[0]


def zero_quaternion(message: Any) -> None:
    for axis in "xyzw":
        object.__setattr__(message.pose.orientation, axis, 0.0)


def no_position(message: Any) -> None:
    message.position[:] = float("nan")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (at_middle(POSE, zero_quaternion), f"{POSE} holds a value that is not finite, or a "
         "quaternion of zeros"),
        (at_middle(JOINTS, no_position), "the gripper's value is not finite"),
    ],
)  # fmt: skip
def test_states_that_are_none_are_named(
    change: Change, words: str, reach: Any, types: Typestore, write: Callable[..., Path],
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    write(tmp_path / "bag", types, reach, change)
    assert refused(tmp_path, capsys, "--recording", str(recording)) == 1
    assert LAST_ERRORS[-1] == f"error: {tmp_path / 'bag'} at 1700000001.000 s: {words}"


@pytest.mark.parametrize(
    ("place", "topic", "words"),
    [
        (("end_effector", "pose"), JOINTS, "sensor_msgs/msg/JointState, the recording file uses it "
         "as geometry_msgs/msg/PoseStamped"),
        (("joint_states",), POSE, "PoseStamped, the recording file uses it as sensor_msgs/msg/Jo"),
        (("gripper", "command"), JOINTS, "uses it as std_msgs/msg/Float64MultiArray or "),
        (("human",), INSTRUCTION, "std_msgs/msg/String, the recording file uses it as std_msgs/msg/"
         "Bool"),
        (("instruction",), TWIST, "uses it as std_msgs/msg/String"),
        (("cameras", "camera", "image"), POSE, "uses it as sensor_msgs/msg/Image or sensor_msgs"),
        (("cameras", "camera", "info"), POSE, "uses it as sensor_msgs/msg/CameraInfo"),
        (("cameras", "camera", "depth"), IMAGE, "uses it as sensor_msgs/msg/Image"),
    ],
)  # fmt: skip
def test_a_topic_of_another_type(
    place: tuple[str, ...], topic: str, words: str, bags: Path, recording: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    shutil.copytree(bags / "reach", tmp_path / "bag")
    content = yaml.safe_load(recording.read_text())
    part = content
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = topic
    file = tmp_path / "cell.yaml"
    file.write_text(yaml.safe_dump(content))
    assert refused(tmp_path, capsys, "--recording", str(file)) == 1
    assert f"error: {tmp_path / 'bag'}: {topic} is a " in LAST_ERRORS[-1]
    assert words in LAST_ERRORS[-1]


@pytest.mark.parametrize(
    ("cuts", "words"),
    [
        ("[]", "cuts.yaml: must be a list of {bag, start, end, instruction}"),
        ("- {bag: bga, start: 0, end: 1}", "--cuts: no bag is named 'bga'; there are: bag"),
        ("- {bag: bag, start: 0.5, end: 1.5}\n- {bag: b*, start: 0, end: 1}",
         "bag at 1700000000.500 s: --cuts: two parts overlap here"),
    ],
)  # fmt: skip
def test_lists_of_times_that_cannot_be_meant(
    cuts: str, words: str, bags: Path, recording: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Parts that overlap would be in training and held-out data at once."""
    shutil.copytree(bags / "reach", tmp_path / "bag")
    (tmp_path / "cuts.yaml").write_text(cuts)
    more = ("--recording", str(recording), "--cuts", str(tmp_path / "cuts.yaml"))
    assert refused(tmp_path, capsys, *more) == 1
    assert words in "\n".join(LAST_ERRORS)


def turned(recording: Path, tmp_path: Path, angle: float) -> Path:
    """Return the recording file with a camera that is turned about its own y axis."""
    from molmoact_ros.control.rotation import from_rotation_vector, multiply

    content = yaml.safe_load(recording.read_text())
    pose = content["cameras"]["camera"]["pose"]
    turn = from_rotation_vector(np.array([0.0, angle, 0.0]))
    pose["quaternion"] = multiply(np.array(pose["quaternion"]), turn).tolist()
    path = tmp_path / "turned.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_camera_that_looks_elsewhere_is_found(
    bags: Path, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(bags / "reach", tmp_path / "bag")
    wrong = turned(recording, tmp_path, 0.5)
    assert refused(tmp_path, capsys, "--recording", str(wrong)) == 1
    assert "outside the picture of camera 'camera' in 100% of the steps" in LAST_ERRORS[-1]
    assert "bag at 1700000000.000 s" in LAST_ERRORS[-1]


def test_the_moving_picture_finds_a_smaller_error(
    bags: Path, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """15 degrees: still in the picture, but nothing moves there."""
    wrong = turned(recording, tmp_path, np.deg2rad(-15.0))
    for name, file, is_found in (("right", recording, False), ("wrong", wrong, True)):
        arguments = [str(bags / "reach"), "-o", str(tmp_path / name), "--recording", str(file)]
        assert main(arguments) == 0
        printed = capsys.readouterr().out
        assert ("the picture does not change where the end effector moves" in printed) == is_found


def test_a_depth_camera_finds_an_error_along_the_line_of_sight(
    bags: Path, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """25 cm further away: nearly the same picture, another distance."""
    from molmoact_ros.control.rotation import rotate

    content = yaml.safe_load(recording.read_text())
    pose = content["cameras"]["camera"]["pose"]
    back = rotate(np.array(pose["quaternion"]), np.array([0.0, 0.0, -0.25]))
    pose["position"] = (np.array(pose["position"]) + back).tolist()
    wrong = tmp_path / "moved.yaml"
    wrong.write_text(yaml.safe_dump(content))
    shutil.copytree(bags / "reach", tmp_path / "bag")
    assert refused(tmp_path, capsys, "--recording", str(wrong)) == 1
    assert "the depth camera sees nothing where the end effector should be" in LAST_ERRORS[-1]


def test_a_truncated_file(
    bags: Path, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(bags / "reach", tmp_path / "bag")
    file = tmp_path / "bag" / "reach.mcap"
    file.write_bytes(file.read_bytes()[:100_000])
    assert refused(tmp_path, capsys, "--recording", str(recording)) == 1
    assert f"bag {tmp_path / 'bag'} cannot be read" in LAST_ERRORS[-1]


def test_all_bad_bags_are_named_at_once(
    bags: Path, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bag").mkdir()
    for name in ("a", "b"):
        shutil.copytree(bags / "reach", tmp_path / "bag" / name)
        (tmp_path / "bag" / name / "reach.mcap").write_bytes(b"\x89MCAP0\r\n")
    assert refused(tmp_path, capsys, "--recording", str(recording)) == 1
    assert len([line for line in LAST_ERRORS if "cannot be read" in line]) == 2


def test_bags_without_the_recorders_notes_need_the_recording_file(
    bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(bags / "reach", tmp_path / "bag")
    assert refused(tmp_path, capsys) == 1
    assert "it was not made by molmoact-record: say with --recording FILE" in LAST_ERRORS[-1]


def test_an_episode_that_was_not_kept(
    reach: Any, types: Typestore, write: Callable[..., Path], recording: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    note = notes.BeginNote("wave", yaml.safe_load(recording.read_text()), {"robot": "?"})
    text = types.types[notes.STRING](data=notes.note_text(note))
    write(tmp_path / "bag", types, reach, more=[(START, notes.BEGIN_TOPIC, notes.STRING, text)])
    assert refused(tmp_path, capsys, "--robot", "tabletop") == 1
    assert "the recorder did not keep this episode" in LAST_ERRORS[-1]


@pytest.mark.parametrize(
    ("robot", "words"),
    [
        ("so101_lerobot", "open and closed must be 0 and 1"),
        ("ur_trajectory", "/joint_states has no joint elbow_joint; it has: "),
        ("nowhere", "no profile 'nowhere'; there are: "),
    ],
)
def test_another_action_space_than_the_recorded_robot_has(
    robot: str, words: str, bags: Path, recording: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    shutil.copytree(bags / "reach", tmp_path / "bag")
    assert refused(tmp_path, capsys, "--recording", str(recording), "--robot", robot) == 1
    assert words in LAST_ERRORS[-1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            without(TWIST),
            "--actions commanded: no TwistStamped, PoseStamped among "
            "recording.commands, which ee_delta needs; there: none",
        ),
        (at_middle(TWIST, no_twist), f"bag at 1700000001.000 s: {TWIST} holds a value that is not"),
        (at_middle(TWIST, fast), "bag at 1700000001.000 s: a step of 0.500 m is beyond limits"),
    ],
)
def test_bad_commands(
    change: Change, words: str, reach: Any, types: Typestore, write: Callable[..., Path],
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    write(tmp_path / "bag", types, reach, change)
    more = ("--recording", str(recording), "--actions", "commanded")
    assert refused(tmp_path, capsys, *more) == 1
    assert words in LAST_ERRORS[-1]


def test_two_bags_of_one_name(
    bags: Path, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("monday", "tuesday"):
        shutil.copytree(bags / "reach", tmp_path / folder / "run1")
    arguments = ["-o", str(tmp_path / "out"), "--recording", str(recording)]
    assert main([str(tmp_path / "monday"), str(tmp_path / "tuesday"), *arguments]) == 1
    assert (
        f"{tmp_path / 'monday' / 'run1'}: another bag has the same name" in capsys.readouterr().err
    )
    assert main([str(tmp_path / "monday"), str(tmp_path / "monday"), *arguments]) == 1
    assert "is given twice" in capsys.readouterr().err


def test_an_existing_folder_is_never_written_to(
    bags: Path, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(bags), "-o", str(tmp_path), "--recording", str(recording)]
    assert main(arguments) == 1
    assert f"{tmp_path} exists; choose another folder by -o" in capsys.readouterr().err


@pytest.mark.parametrize("most", [3_000, 30_000, 70_000], ids=lambda most: f"{most}_bytes")
def test_a_full_disk_leaves_nothing(
    most: int, bags: Path, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table, the video, or a picture of the report does not fit."""
    shutil.copytree(bags / "pick", tmp_path / "bag")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        code = refused(tmp_path, capsys, "--recording", str(recording))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 1
    assert "cannot be written: File too large" in LAST_ERRORS[-1]
    assert str(tmp_path / "out.partial") in LAST_ERRORS[-1]


@pytest.mark.long
def test_interrupted(bags: Path, recording: Path, tmp_path: Path) -> None:
    """Ctrl-C while it writes."""
    call = "import sys; from molmoact_ros.cli.dataset import main; sys.exit(main())"
    command = [sys.executable, "-c", call, str(bags), "-o", str(tmp_path / "out")]
    command += ["--recording", str(recording), "--checkpoint", str(CHECKPOINT)]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    while not (tmp_path / "out.partial" / "videos").exists():
        assert process.poll() is None, "it ended before it wrote"
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60.0)
    assert process.returncode == 1
    assert f"stopped; {tmp_path / 'out'} was not made" in errors.decode()
    assert list(tmp_path.iterdir()) == []
