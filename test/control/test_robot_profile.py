# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Robot profiles: the shipped ones load, wrong ones are refused with the path of the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from molmoact_ros.control import ActionChunk, Executor, Pose, ProfileError, load_profile
from molmoact_ros.control.mapping import AxisSource
from molmoact_ros.control.robot_profile import RobotProfile
from molmoact_ros.yaml_config import build

ROBOTS = Path(__file__).parents[2] / "config" / "robots"
NAMES = sorted(path.stem for path in ROBOTS.glob("*.yaml"))


@pytest.fixture
def data() -> Any:
    """Return the keys of a profile: one for twists and one for joints."""

    def data(name: str) -> Any:
        return yaml.safe_load((ROBOTS / f"{name}.yaml").read_text())

    return data


def test_all_promised_robots_are_there() -> None:
    assert {
        "tabletop", "franka_servo", "franka_trajectory", "ur_servo", "ur_trajectory",
        "ur_trajectory_lyrical", "widowx_trajectory", "so101_feetech", "so101_lerobot",
        "google_robot",
    } <= set(NAMES)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_shipped_profile_moves_its_robot(name: str) -> None:
    """Each profile runs: enabled at a place inside its limits, it follows a small step."""
    profile = load_profile(ROBOTS / f"{name}.yaml")
    assert profile.robot == name
    executor = Executor(profile)
    action, limits, now, dt = profile.action, profile.limits, 10.0, profile.execution.dt
    if action.cartesian:
        cone, box = limits.orientation, limits.workspace
        assert box is not None
        turn = {None: [0, 0, 0, 1.0], 0: [0, 0.5**0.5, 0, 0.5**0.5], 2: [1.0, 0, 0, 0]}
        tool_axis = None if cone is None else int(np.argmax(cone.tool_axis))
        middle = (np.array(box.min) + box.max) / 2
        place: Any = Pose(middle, np.array(turn[tool_axis], dtype=float))
    else:
        place = np.array([(limits.joints[j].min + limits.joints[j].max) / 2 for j in action.joints])
    rows = np.zeros((4, len(action.columns)))
    for i, axis in enumerate(action.used_axes):
        source = action.axes.get(axis) or AxisSource(axis)
        column = action.columns.index(source.column)
        if not action.is_delta:
            rows[:, column] = (place[i] - source.offset) / source.scale
        rows[:, column] += 0.01 / source.scale
    executor.observe(place, now, now)
    assert executor.enable(now).success, executor.problem(now)
    chunk = ActionChunk(rows, action.columns, action.space, 0.2, now, 1)
    assert executor.submit(chunk, now) is None
    for _ in range(round(0.15 / dt)):
        now += dt
        executor.observe(place, now, now)
        command = executor.step(now)
    assert command is not None
    moved = command.velocity[:3] if action.cartesian else command.velocity
    assert (moved > 0.0).all() and executor.counters["halted"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_shipped_profile_permits_a_robot_that_lags(name: str) -> None:
    """By 0.3 s at full speed, as docs/safety.md promises."""
    limits = load_profile(ROBOTS / f"{name}.yaml").limits
    for limit in (limits.linear, limits.angular, *limits.joints.values()):
        assert limit is None or 0.3 * limit.speed < limit.max_following_error


@pytest.mark.parametrize(
    ("name", "path", "value", "words"),
    [
        ("tabletop", "limits.linear.sped", 0.3, "limits.linear.sped: unknown key; known: speed,"),
        ("tabletop", "limts", {}, "limts: unknown key"),
        ("tabletop", "limits.linear.speed", -0.3, "limits.linear.speed: must be > 0, is -0.3"),
        ("tabletop", "limits.linear.speed", "fast", "limits.linear.speed: must be a number"),
        ("tabletop", "limits.linear.speed", True, "limits.linear.speed: must be a number"),
        ("tabletop", "limits.linear.speed", float("inf"), "limits.linear.speed: must be a finite"),
        ("tabletop", "limits.linear", None, "limits.linear: is missing: the action uses x, y, z"),
        ("tabletop", "limits.angular", None, "limits.angular: is missing"),
        ("tabletop", "limits.workspace", None, "limits.workspace: is missing"),
        ("tabletop", "limits.workspace.min", [1.0, 2.0, 0.4], "limits.workspace.min[1]: 2.0"),
        ("tabletop", "limits.workspace.min", [1.0, 2.0], "limits.workspace.min: must have 3"),
        ("tabletop", "limits.orientation.max_angle", 4.0, "limits.orientation.max_angle: must be"),
        ("tabletop", "limits.angular.jerk", 5.0, "limits.angular.jerk: "),
        ("tabletop", "frame", "", "frame: must not be empty"),
        ("tabletop", "action.space", "ee_detla", "action.space: 'ee_detla' is not one of"),
        ("tabletop", "action.axes.w", {"column": "x"}, "action.axes.w: unknown axis"),
        ("tabletop", "action.axes.x", {"column": "q"}, "action.axes.x.column: no column 'q'"),
        ("tabletop", "action.gripper.mode", "soft", "action.gripper.mode: 'soft' is not one of"),
        ("tabletop", "action.gripper.column", "g", "action.gripper.column: no column 'g'"),
        ("tabletop", "action.gripper", None, "action.gripper: is missing: outputs.gripper"),
        ("tabletop", "outputs.twist", None, "outputs: name at least one of: twist, pose"),
        ("tabletop", "outputs.forward", {}, "outputs.forward: needs a joint action space"),
        ("tabletop", "outputs.gripper.type", "magnet", "outputs.gripper.type: 'magnet' is not"),
        ("tabletop", "limits.linear.speed", 1e308,
         "limits.linear.speed: must be 0..10 m/s, is 1e+308"),
        ("tabletop", "limits.linear.acceleration", 1e308, "acceleration: must be 0..100 m/s^2"),
        ("tabletop", "limits.linear.acceleration", 1e-9, "acceleration: is too small: a ramp"),
        ("tabletop", "limits.linear.jerk", 1e308, "jerk: must be 0..100000 m/s^3"),
        ("tabletop", "limits.linear.jerk", 1e-9, "limits.linear.jerk: is too small: a ramp"),
        ("tabletop", "limits.linear.max_step", 1e308, "max_step: must be 0..1 m, is"),
        ("tabletop", "limits.linear.max_following_error", 9.0, "max_following_error: must be 0..1"),
        ("tabletop", "limits.linear.min_following_share", 0.9, "min_following_share: must be 0.05"),
        ("tabletop", "limits.linear.following_distance", 0.3, "following_distance: must be at lea"),
        ("tabletop", "limits.linear.following_distance", 1e3, "following_distance: must be 0..10"),
        ("tabletop", "limits.angular.speed", 1e308, "limits.angular.speed: must be 0..50 rad/s"),
        ("tabletop", "limits.workspace.max", [1e308, 2.0, 2.0], "workspace.max[0]: must be -100.."),
        ("tabletop", "limits.orientation.direction", [0.0, 0.0, 1e308], "0.001..1000 long"),
        ("tabletop", "action.scale", 1e308, "action.scale: must be 0..100"),
        ("tabletop", "action.gripper.open", 1e308, "gripper.open: must be -1e+06..1e+06"),
        ("tabletop", "action.tool_frame", "tcp", "action.tool_frame: needs frame: tool"),
        ("tabletop", "outputs.gripper.closed", 1e308, "outputs.gripper.closed: must be"),
        ("tabletop", "execution.max_step_period", 1e308, "max_step_period: must be 0..10 s"),
        ("tabletop", "execution.max_chunk_age", 1e308, "max_chunk_age: must be 0..300 s"),
        ("tabletop", "execution.following_window", 0.01, "following_window: must be 0.1..5 s"),
        ("tabletop", "execution.control_period", 2.0, "control_period: must not be above max_st"),
        ("tabletop", "execution.max_horizon", 10**9, "execution.max_horizon: must be 1..1000"),
        ("ur_trajectory", "limits.joints.elbow_joint.speed", 1e308, "speed: must be 0..50 rad (or"),
        ("ur_trajectory", "limits.joints.elbow_joint.max", 1e308, "elbow_joint.max: must be -1000"),
        ("ur_trajectory", "outputs.joint_trajectory.horizon", 1e308, "horizon: must be 0..10 s"),
        ("ur_trajectory", "action.axes.elbow_joint", {"column": "q3", "scale": 1e308},
         "axes.elbow_joint.scale: must be"),
        ("tabletop", "execution.rate", 0.0, "execution.rate: must be 10..1000 Hz"),
        ("tabletop", "execution.at_end", "hold", "execution.at_end: hold needs targets"),
        ("tabletop", "execution.execute_steps", 1.5, "execution.execute_steps: must be a whole"),
        ("ur_trajectory", "limits.joints.elbow_joint", None, "limits.joints.elbow_joint: is miss"),
        ("ur_trajectory", "limits.joints.elbow_joint.min", 3.0, "limits.joints.elbow_joint.min: 3"),
        ("ur_trajectory", "limits.joints.elbow_joint.margin", 4.0, "elbow_joint.margin: 4.0 leav"),
        ("ur_trajectory", "limits.joints.elbow_joint.spede", 1.0, "elbow_joint.spede: unknown"),
        ("ur_trajectory", "limits.joints.elbw_joint", None, "limits.joints.elbw_joint: unknown"),
        ("ur_trajectory", "action.scale", 0.5, "action.scale: is only for delta spaces"),
        ("ur_trajectory", "outputs.twist", {}, "outputs.twist: needs an end-effector action"),
        ("ur_trajectory", "outputs.joint_trajectory.rate", 0.0, "joint_trajectory.rate: must be"),
        ("widowx_trajectory", "outputs.gripper.joint", "", "outputs.gripper.joint: is missing"),
        ("ur_trajectory", "topics.ee_pose", "pose", "topics.ee_pose: is not a topic of this robot"),
        ("ur_trajectory", "topics.forward", "f", "topics.forward: is not a topic of this robot: "),
        ("ur_trajectory", "topics.joint_states", "", "topics.joint_states: must not be empty"),
        (
            "ur_servo", "outputs.twist.servo_status_topic", "status",
            "outputs.twist.servo_status_topic: 'status' does not name a node",
        ),
    ],
)  # fmt: skip
def test_wrong_profile_is_refused_with_the_path(
    data: Any, name: str, path: str, value: Any, words: str
) -> None:
    keys = data(name)
    *parents, last = path.split(".")
    place = keys
    for parent in parents:
        place = place.setdefault(parent, {})
    if value is None and last in place:
        del place[last]
    else:
        place[last] = value if value is not None else dict(place["elbow_joint"])
    with pytest.raises(ProfileError) as error:
        build(RobotProfile, keys)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (": : :", "is not YAML"),
        ("- a\n- b", "must be a mapping"),
        ("", "must be a mapping"),
        ("robot: a", "frame: is missing"),
    ],
)
def test_file_that_is_no_profile(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text(text)
    with pytest.raises(ProfileError, match=words) as error:
        load_profile(path)
    assert "robot.yaml" in str(error.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="cannot be read"):
        load_profile(tmp_path / "nowhere.yaml")
