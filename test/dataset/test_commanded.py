# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Actions from recorded commands, of each kind that a driver receives on a topic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from rosbags.typesys.store import Typestore

from molmoact_ros.cli.dataset import main
from molmoact_ros.control.robot_profile import robot_path

POSE, JOINTS = "/tabletop/ee_pose", "/joint_states"
ARM = "/arm/commands"
KINDS = {
    "pose": "geometry_msgs/msg/PoseStamped",
    "trajectory": "trajectory_msgs/msg/JointTrajectory",
    "forward": "std_msgs/msg/Float64MultiArray",
    "joint_state": "sensor_msgs/msg/JointState",
}
START = 1_700_000_000.0
LEAD = 0.1  # s by which these commands are ahead of the robot: one step
TICK = 0.02  # s between two states
NAMES = ("shoulder_pan_joint", "shoulder_lift_joint", "upperarm_roll_joint", "elbow_flex_joint",
         "forearm_roll_joint", "wrist_flex_joint", "wrist_roll_joint")  # fmt: skip
More = list[tuple[float, str, str, Any]]


class Commander:
    """Makes commands of what the robot did a little later."""

    def __init__(self, types: Typestore, messages: Any) -> None:
        self._types = types
        self.states = {topic: [m for _, t, m in messages if t == topic] for topic in (POSE, JOINTS)}

    def make(self, kind: str, **fields: Any) -> Any:
        """Return a message."""
        return self._types.types[kind](**fields)

    def commands(self, kind: str, first: float = 0.0) -> More:
        """Return a command at each state, from a time on, s."""
        states = self.states[POSE if kind == "pose" else JOINTS]
        ahead = round(LEAD / TICK)
        made: More = []
        for i in range(len(states) - ahead):
            if i * TICK < first:
                continue
            later = states[i + ahead : i + ahead + 3]
            command = getattr(self, f"_{kind}")(later)
            made.append((START + i * TICK, ARM, KINDS[kind], command))
        return made

    def _pose(self, later: Sequence[Any]) -> Any:
        return later[0]

    def _joint_state(self, later: Sequence[Any]) -> Any:
        state = later[0]  # a leader arm may have its joints in another order
        return self.make(
            KINDS["joint_state"], header=state.header, name=list(state.name)[::-1],
            position=state.position[::-1].copy(), velocity=np.empty(0), effort=np.empty(0),
        )  # fmt: skip

    def _forward(self, later: Sequence[Any]) -> Any:
        return self.numbers(later[0].position[: len(NAMES)])

    def numbers(self, values: np.ndarray) -> Any:
        """Return a Float64MultiArray."""
        layout = self.make("std_msgs/msg/MultiArrayLayout", dim=[], data_offset=0)
        return self.make(KINDS["forward"], layout=layout, data=np.array(values, np.float64))

    def _trajectory(self, later: Sequence[Any]) -> Any:
        return self.trajectory(NAMES, [state.position[: len(NAMES)] for state in later])

    def trajectory(self, names: Sequence[str], rows: Sequence[np.ndarray]) -> Any:
        """Return one with a point now and then one each tick."""
        make, empty = self.make, np.empty(0)
        points = [
            make(
                "trajectory_msgs/msg/JointTrajectoryPoint", positions=np.array(row),
                velocities=empty, accelerations=empty, effort=empty,
                time_from_start=make("builtin_interfaces/msg/Duration", sec=0,
                                     nanosec=round(i * TICK * 1e9)),
            )
            for i, row in enumerate(rows)
        ]  # fmt: skip
        header = make(
            "std_msgs/msg/Header",
            stamp=make("builtin_interfaces/msg/Time", sec=0, nanosec=0), frame_id="",
        )  # fmt: skip
        return make(KINDS["trajectory"], header=header, joint_names=list(names), points=points)


@pytest.fixture(scope="session")
def commander(types: Typestore, reach: Any) -> Commander:
    return Commander(types, reach)


def robot(tmp_path: Path, space: str, **action: Any) -> Path:
    """Return the profile of the simulated arm for an action space."""
    content = yaml.safe_load(robot_path("tabletop").read_text())
    content["action"] |= {"space": space, **action}
    if space.startswith("joint"):
        content["action"] |= {"columns": [*NAMES, "gripper"], "joints": list(NAMES)}
        for key in ("frame", "rotation"):
            del content["action"][key]
        limit = {"min": -6.0, "max": 6.0, "margin": 0.05, "speed": 1.0, "acceleration": 4.0,
                 "max_step": 0.4, "max_following_error": 0.4}  # fmt: skip
        content["limits"] = {"joints": {name: dict(limit) for name in NAMES}}
        content["outputs"] = {"joint_trajectory": {}}
    path = tmp_path / f"{space}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def arguments(tmp_path: Path, recording: Path, profile: Path, commands: list[str]) -> list[str]:
    content = yaml.safe_load(recording.read_text()) | {"commands": commands}
    cell = tmp_path / "cell.yaml"
    cell.write_text(yaml.safe_dump(content, sort_keys=False))
    return [str(tmp_path / "bag"), "--recording", str(cell), "--robot", str(profile)]


def rows_of(out: Path) -> np.ndarray:
    table = pq.read_table(out / "data" / "chunk-000" / "file-000.parquet")
    return np.array(table["action"].to_pylist())[:, :-1]


@pytest.mark.parametrize(
    ("kind", "space"),
    [
        ("pose", "ee_delta"),
        ("pose", "ee_pose"),
        ("trajectory", "joint_position"),
        ("trajectory", "joint_delta"),
        ("forward", "joint_position"),
        ("joint_state", "joint_position"),
    ],
)
def test_a_step_is_what_was_commanded_in_it(
    kind: str, space: str, commander: Commander, reach: Any, types: Typestore,
    write: Callable[..., Path], recording: Path, tmp_path: Path,
) -> None:  # fmt: skip
    """The robot follows a step later; before the first command it is to stay where it is."""
    first = 0.3
    write(tmp_path / "bag", types, reach, more=commander.commands(kind, first))
    given = arguments(tmp_path, recording, robot(tmp_path, space), [ARM])
    rows = {}
    for which in ("measured", "commanded"):
        assert main([*given, "-o", str(tmp_path / which), "--actions", which]) == 0
        rows[which] = rows_of(tmp_path / which)
    count = 15
    before = round(first / 0.1) - 1  # the first command acts in the step after these
    begin = before + 2
    commanded, measured = rows["commanded"][begin:count], rows["measured"][begin + 1 : count + 1]
    assert np.allclose(commanded, measured, atol=2e-4)
    assert not np.allclose(commanded, rows["measured"][begin:count], atol=2e-3)
    assert np.allclose(np.diff(rows["commanded"][:before], axis=0), 0.0, atol=1e-6)
    if space.endswith("delta"):
        assert np.allclose(rows["commanded"][:before], 0.0, atol=1e-6)


def test_the_arm_is_found_among_several_commands(
    commander: Commander, reach: Any, types: Typestore, write: Callable[..., Path],
    recording: Path, tmp_path: Path,
) -> None:  # fmt: skip
    """A gripper and another robot are commanded by the same types."""
    fingers = commander.trajectory(["l_gripper_finger_joint"], [np.array([0.05])])
    more = [
        *commander.commands("trajectory"),
        (START, "/gripper/trajectory", KINDS["trajectory"], fingers),
        (START, "/hand/forward", KINDS["forward"], commander.numbers(np.zeros(2))),
    ]
    write(tmp_path / "bag", types, reach, more=more)
    topics = ["/gripper/trajectory", "/hand/forward", "/silent", ARM]
    given = arguments(tmp_path, recording, robot(tmp_path, "joint_position"), topics)
    assert main([*given, "-o", str(tmp_path / "out"), "--actions", "commanded"]) == 0
    assert len(rows_of(tmp_path / "out")) > 15


def velocities(maker: Commander) -> More:
    zeros = maker.numbers(np.zeros(len(NAMES)))
    return [(time, topic, kind, zeros) for time, topic, kind, _ in maker.commands("forward")]


def other_arm(maker: Commander) -> More:
    row = np.zeros(2)
    return [(START, ARM, KINDS["trajectory"], maker.trajectory(["q1", "q2"], [row]))]


def incomplete(maker: Commander) -> More:
    """Return commands of which one has a joint less."""
    made = maker.commands("trajectory")
    time, topic, kind, _ = made[50]
    made[50] = (time, topic, kind, maker.trajectory(NAMES[:-1], [np.zeros(len(NAMES) - 1)]))
    return made


def jump(maker: Commander) -> More:
    made = maker.commands("forward")
    time, topic, kind, message = made[50]
    made[50] = (time, topic, kind, maker.numbers(np.asarray(message.data) + 1.5))
    return made


def poses(maker: Commander) -> More:
    return maker.commands("pose")


@pytest.mark.parametrize(
    ("space", "commands", "words"),
    [
        ("joint_position", poses, "--actions commanded: no JointTrajectory, Float64MultiArray, "
         "JointState of shoulder_pan_joint, "),
        ("joint_position", poses, f"there: {ARM} (geometry_msgs/msg/PoseStamped)"),
        ("joint_position", other_arm, f"there: {ARM} (trajectory_msgs/msg/JointTrajectory: q1, "
         "q2)"),
        ("joint_position", velocities, f"bag at 1700000000.000 s: the robot is not where {ARM} "
         "commands it, mostly by "),
        ("joint_position", incomplete, f"bag at 1700000001.000 s: {ARM} holds a value that is not "
         "finite, or lacks a position"),
        ("joint_position", jump, "a step of 1."),
        ("ee_delta", velocities, "no TwistStamped, PoseStamped among recording.commands"),
    ],
)  # fmt: skip
def test_commands_that_do_not_fit(
    space: str, commands: Callable[[Commander], More], words: str, commander: Commander,
    reach: Any, types: Typestore, write: Callable[..., Path], recording: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    write(tmp_path / "bag", types, reach, more=commands(commander))
    given = arguments(tmp_path, recording, robot(tmp_path, space), [ARM])
    assert main([*given, "-o", str(tmp_path / "out"), "--actions", "commanded"]) == 1
    error = capsys.readouterr().err
    assert words in error and str(tmp_path / "bag") in error and "Traceback" not in error
    assert not list(tmp_path.glob("out*"))
