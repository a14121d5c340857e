# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Motion, pictures and times: the parts of which episodes are made."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from molmoact_ros.control import ActionChunk, RobotProfile
from molmoact_ros.control.robot_profile import robot_path
from molmoact_ros.control.rotation import from_rotation_vector, from_rpy, multiply, rotate
from molmoact_ros.dataset.bag.recorded import Pictures
from molmoact_ros.dataset.bag.track import Track
from molmoact_ros.dataset.bag.transform_tree import TransformTree
from molmoact_ros.dataset.camera_view import CameraView
from molmoact_ros.dataset.cuts import load_cuts
from molmoact_ros.dataset.idle import idle_steps
from molmoact_ros.dataset.motion import columns_from_motion, motion_rows, step_too_large, ways
from molmoact_ros.dataset.sampling import Moment, match, steps
from molmoact_ros.dataset.trace import MotionCheck, depth_agrees, project_traces
from molmoact_ros.viz.projection import PinholeCamera
from molmoact_ros.yaml_config import ProfileError, build

PERIOD = 0.1
TIMES = np.arange(20) * PERIOD


def profile(name: str, **action: Any) -> RobotProfile:
    content = yaml.safe_load(robot_path(name).read_text())
    content["action"] |= action
    return build(RobotProfile, content)


def executed(robot: RobotProfile, columns: np.ndarray) -> np.ndarray:
    """Return what the executor makes of the rows: its own mapping."""
    action = robot.action
    chunk = ActionChunk(columns, action.columns, action.space, PERIOD, 0.0, 1)
    return action.motion(chunk) / action.scale


def pose_track(rng: np.random.Generator) -> Track:
    """Return a smooth random motion."""
    fine = np.arange(0.0, 3.0, 0.01)
    way = np.cumsum(rng.normal(0.0, 0.001, (len(fine), 3)), axis=0)
    turn = from_rpy(np.array([3.0, 0.2, -2.9]))
    turns = []
    for change in rng.normal(0.0, 0.01, (len(fine), 3)):
        turn = multiply(from_rotation_vector(change), turn)
        turns.append(turn)
    return Track(fine, np.column_stack([way, turns]), "/pose")


@pytest.mark.parametrize("rotation", ["rpy", "axis_angle"])
@pytest.mark.parametrize("frame", ["base", "tool"])
def test_executing_the_actions_repeats_the_measured_poses(frame: str, rotation: str) -> None:
    tool = {"tool_frame": "tcp"} if frame == "tool" else {}
    robot = profile("ur_servo", frame=frame, rotation=rotation, **tool)
    track = pose_track(np.random.default_rng(3))
    motion = motion_rows(robot, track, TIMES, PERIOD)
    rows = executed(robot, columns_from_motion(robot, motion.actions, np.zeros(len(TIMES))))
    position, turn = track.values[0, :3], track.values[0, 3:]
    for row in rows:
        change = from_rpy(row[3:]) if rotation == "rpy" else from_rotation_vector(row[3:])
        if frame == "tool":
            position = position + rotate(turn, row[:3])
            turn = multiply(turn, change)
        else:
            position, turn = position + row[:3], multiply(change, turn)
    assert np.allclose(position, track.values[200, :3], atol=1e-9)
    assert np.abs(np.dot(turn, track.values[200, 3:])) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("name", ["widowx_trajectory", "ur_trajectory"])
def test_joint_actions(name: str) -> None:
    robot = profile(name)
    joints = len(robot.action.joints)
    fine = np.arange(0.0, 3.0, 0.01)
    values = np.sin(fine[:, None] + np.arange(joints))
    motion = motion_rows(robot, Track(fine, values, "/joints"), TIMES, PERIOD)
    columns = columns_from_motion(robot, motion.actions, np.full(len(TIMES), 0.25))
    now = motion.state
    assert np.allclose(now[3], np.sin(0.3 + np.arange(joints)), atol=1e-9)
    after = np.sin(0.4 + np.arange(joints))
    done = executed(robot, columns)[3]
    assert np.allclose(now[3] + done if robot.action.is_delta else done, after, atol=1e-9)
    assert np.allclose(columns[:, -1], 0.25)


def test_a_unit_and_a_sign_of_the_mapping_are_undone() -> None:
    axes = {"x": {"column": "x", "scale": -0.001}}  # columns in mm, the other way round
    robot = profile("ur_servo", axes=axes)
    motion = np.tile([0.01, 0.0, 0.0, 0.0, 0.0, 0.0], (2, 1))
    columns = columns_from_motion(robot, motion, np.zeros(2))
    assert np.allclose(columns[0], [-10.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])


def test_a_step_beyond_the_limits_is_found() -> None:
    robot = profile("ur_servo")
    change = np.zeros((4, 6))
    assert step_too_large(robot, change) == (-1, "")
    change[2, 1] = 0.2
    row, text = step_too_large(robot, change)
    assert row == 2 and text == "a step of 0.200 m is beyond limits.linear.max_step = 0.08 m"
    change[1, 5] = 0.5
    assert "limits.linear" in step_too_large(robot, change)[1]
    assert step_too_large(robot, change * [0, 0, 0, 1, 1, 1])[0] == 1


def pictures(stamps: np.ndarray, topic: str) -> Pictures:
    return Pictures(stamps, stamps + 0.01, "optical", topic, "sensor_msgs/msg/Image")


def test_cameras_are_matched_by_stamp() -> None:
    lead, wrist = np.arange(30) / 30.0, np.arange(30) / 30.0 + 0.012
    wrist = np.delete(wrist, [10, 11, 12, 13])
    cameras = {"a": pictures(lead, "/a"), "b": pictures(wrist, "/b")}
    found = match(cameras, 0.1, 0.9, max_skew=0.02)
    assert all(abs(lead[m.numbers["a"]] - wrist[m.numbers["b"]]) <= 0.02 for m in found)
    assert 0.1 <= found[0].stamp and found[-1].stamp <= 0.9
    assert not any(10 <= m.numbers["a"] <= 13 for m in found)


@pytest.mark.parametrize("rate", [10.0, 15.0, 29.97, 60.0])
def test_steps_are_one_period_apart_at_any_rate_of_the_camera(rate: float) -> None:
    stamps = np.arange(0.0, 20.0, 1.0 / rate)
    stretches = steps([Moment(stamp, {}) for stamp in stamps], PERIOD)
    chosen = np.array([moment.stamp for stretch in stretches for moment in stretch])
    assert len(stretches) == 1 and len(set(chosen)) == len(chosen)
    assert len(chosen) == pytest.approx(200, abs=2)
    # As near as the pictures are; now and then one is passed over to keep up with the time.
    away = np.abs(np.diff(chosen) - PERIOD)
    assert away.max() <= 1.0 / rate and np.median(away) <= 0.5 / rate + 1e-6


def test_a_gap_parts_an_episode() -> None:
    stamps = np.delete(np.arange(40) * PERIOD, [20, 21, 22])
    stretches = steps([Moment(stamp, {}) for stamp in stamps], PERIOD)
    assert [len(stretch) for stretch in stretches] == [20, 17]


def test_pauses_but_neither_slow_motion_nor_the_gripper_are_idle() -> None:
    robot = profile("ur_servo")
    change = np.zeros((12, 6))
    change[[0, 1, 8, 9, 10, 11], 0] = 0.01
    idle = [False] * 5 + [True] * 3 + [False] * 4
    assert idle_steps(ways(robot, change), np.zeros(12), most=3).tolist() == idle
    closing = np.array([0, 0, 0, 0.3, 0.6, 0.9, 1, 1, 1, 1, 1, 1])
    assert not idle_steps(ways(robot, change), closing, most=3).any()
    slow = np.tile([0.0008, 0.0, 0.0, 0.0, 0.0, 0.0], (12, 1))  # 8 mm/s
    assert not idle_steps(ways(robot, slow), np.zeros(12), most=3).any()


def transform(parent: str, child: str, stamp: float, x: float, yaw: float = 0.0) -> Any:
    q = from_rpy(np.array([0.0, 0.0, yaw]))
    return SimpleNamespace(
        header=SimpleNamespace(
            frame_id=parent, stamp=SimpleNamespace(sec=int(stamp), nanosec=round(stamp % 1 * 1e9))
        ),
        child_frame_id=child,
        transform=SimpleNamespace(
            translation=SimpleNamespace(x=x, y=0.0, z=0.0),
            rotation=SimpleNamespace(x=q[0], y=q[1], z=q[2], w=q[3]),
        ),
    )


def test_transforms_are_chained_and_interpolated() -> None:
    tree = TransformTree()
    for stamp, x, yaw in ((1.0, 1.0, 0.0), (2.0, 3.0, np.pi / 2)):
        tree.add(SimpleNamespace(transforms=[transform("base", "hand", stamp, x, yaw)]), False)
    tree.add(SimpleNamespace(transforms=[transform("hand", "cam", 0.0, 0.5)]), True)
    assert np.allclose(tree.lookup("base", "cam", 1.0)[0], [1.5, 0.0, 0.0])
    assert np.allclose(tree.lookup("base", "hand", 1.5)[0], [2.0, 0.0, 0.0])
    assert np.allclose(tree.lookup("base", "cam", 9.0)[0], [3.0, 0.5, 0.0])
    assert np.allclose(tree.lookup("cam", "base", 1.0)[0], [-1.5, 0.0, 0.0])
    assert tree.stamps("cam").tolist() == [1.0, 2.0]
    with pytest.raises(LookupError, match="no transform from 'table' to 'base'; frames: base, cam"):
        tree.lookup("base", "table", 1.0)


def view(**camera: Any) -> CameraView:
    matrix = np.array([[100.0, 0.0, 49.5], [0.0, 100.0, 49.5], [0.0, 0.0, 1.0]])
    pose = (np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]))
    return CameraView(PinholeCamera(100, 100, matrix, **camera), lambda stamp: pose)


@pytest.mark.parametrize(
    "camera",
    [{}, {"distortion": (-0.2, 0.05, 0.001, 0.0, 0.0)},
     {"distortion": (0.1, 0.01, 0.0, 0.0), "model": "equidistant"}],
)  # fmt: skip
def test_projection_is_the_inverse_of_rays(camera: dict[str, Any]) -> None:
    made = view(**camera)
    pixels = np.array([[20.0, 30.0], [49.5, 49.5], [80.0, 60.0]])
    points = made.camera.rays(pixels, (100, 100)) * 1.5
    seen = made.project(points, 0.0)
    assert np.allclose(seen[:, :2] * 99, pixels, atol=0.01) and np.allclose(seen[:, 2], 1.5)
    assert np.isnan(made.project(np.array([[0.0, 0.0, -1.0]]), 0.0)[0, :2]).all()


def test_a_trajectory_leads_from_now_to_the_end() -> None:
    stamps = np.arange(11) * PERIOD
    way = np.array([[-0.2 + 0.04 * i, 0.0 if i < 5 else 0.06 * (i - 5), 1.0] for i in range(11)])
    traces = project_traces(view(), stamps, way, stamps)
    first = traces.points[0, : traces.counts[0]]
    assert traces.counts[0] == 3, "a corner in the middle, no more"
    assert np.allclose(first[:, 0] / 255 * 99, 49.5 + 100 * way[[0, 5, 10], 0], atol=0.6)
    assert traces.counts[-1] == 1 and np.allclose(traces.points[-1], traces.points[-1, 0])
    assert not traces.outside.any()
    away = project_traces(view(), stamps, way + [0.0, 2.0, 0.0], stamps)
    assert away.outside.all() and away.points.max() <= 255.0


def test_depth_and_motion_checks() -> None:
    depth = np.full((50, 50), 2.0)
    depth[20:24, 20:24] = 1.0
    here = np.array([22 / 49 * 255, 22 / 49 * 255, 1.03])
    assert depth_agrees(here, depth) is True
    assert depth_agrees(here * [1.0, 1.0, 1.5], depth) is False
    assert depth_agrees(here * [-1.0, 1.0, 1.0], depth) is None
    assert depth_agrees(here, np.zeros((50, 50))) is None
    for wrong, expected in ((0.0, True), (120.0, False)):
        check = MotionCheck()
        for step in range(5):
            picture = np.zeros((96, 96, 3), np.uint8)
            place = 20 + 4 * step
            picture[40:46, place : place + 6] = 255
            check.add(picture, np.array([(place + 3) / 95 * 255, 43 / 95 * 255 + wrong, 1.0]))
        assert check.seen == [expected] * 4


def test_a_list_of_times(tmp_path: Path) -> None:
    file = tmp_path / "cuts.yaml"
    file.write_text("- {bag: run*, start: 1.5, end: 3.0, instruction: wave}\n")
    assert load_cuts(file)[0].end == 3.0
    file.write_text("- {bag: run1, start: 5.0, end: 3.0}\n")
    with pytest.raises(ProfileError, match=r"cuts.yaml: \[0\].end: 3.0 is not after start = 5.0"):
        load_cuts(file)
