# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The tabletop without ROS: determinism, motion, gripper, pictures, cameras."""

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from molmoact_ros.sim import Tabletop

REST = np.zeros(3)


@pytest.fixture(scope="module")
def tabletop() -> Iterator[Tabletop]:
    table = Tabletop(seed=0)
    yield table
    table.close()


def test_imports_neither_torch_nor_ros() -> None:
    code = "import sys, molmoact_ros.sim; print({'torch', 'rclpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_same_seed_same_run(tabletop: Tabletop) -> None:
    def rollout() -> np.ndarray:
        tabletop.reset(7)
        tabletop.command_twist([0.1, -0.05, -0.1], REST)
        tabletop.step(0.5)
        return np.concatenate([tabletop.data.qpos, tabletop.data.qvel])

    first = rollout()
    assert np.array_equal(first, rollout())
    tabletop.reset(8)
    assert not np.allclose(first[: tabletop.model.nq], tabletop.data.qpos)


def test_blocks_lie_apart_on_the_table_and_stay(tabletop: Tabletop) -> None:
    for seed in range(10):
        tabletop.reset(seed)
        before = np.stack([tabletop.block_pose(color)[0] for color in tabletop.colors])
        gaps = np.linalg.norm(before[:, None] - before[None], axis=-1)[np.triu_indices(3, 1)]
        assert gaps.min() > 0.085
        tabletop.step(0.5)
        after = np.stack([tabletop.block_pose(color)[0] for color in tabletop.colors])
        assert np.abs(after - before).max() < 1e-3


@pytest.mark.parametrize("axis", range(3))
def test_linear_twist_is_followed(tabletop: Tabletop, axis: int) -> None:
    tabletop.reset(1)
    twist = np.zeros(3)
    twist[axis] = 0.1 * (-1.0 if axis == 2 else 1.0)
    start, orientation = tabletop.ee_pose()
    tabletop.command_twist(twist, REST)
    tabletop.step(0.5)
    tabletop.command_twist(REST, REST)
    tabletop.step(0.5)
    end, turned = tabletop.ee_pose()
    assert end - start == pytest.approx(0.5 * twist, abs=1e-3)
    assert abs(orientation @ turned) > 0.9999


def test_angular_twist_turns_about_the_grip_point(tabletop: Tabletop) -> None:
    tabletop.reset(1)
    start, before = tabletop.ee_pose()
    tabletop.command_twist(REST, [0.0, 0.0, 0.4])
    tabletop.step(1.0)
    tabletop.command_twist(REST, REST)
    tabletop.step(0.5)
    end, after = tabletop.ee_pose()
    assert end == pytest.approx(start, abs=2e-3)
    assert 2 * np.arccos(abs(before @ after)) == pytest.approx(0.4, abs=0.02)


def test_rests_without_a_twist(tabletop: Tabletop) -> None:
    tabletop.reset(2)
    start, _ = tabletop.ee_pose()
    tabletop.step(2.0)
    assert tabletop.ee_pose()[0] == pytest.approx(start, abs=1e-3)


def test_table_stops_the_arm_without_winding_up(tabletop: Tabletop) -> None:
    tabletop.reset(3)
    tabletop.command_twist([0.0, 0.0, -0.2], REST)
    tabletop.step(4.0)
    assert tabletop.ee_pose()[0][2] > 0.39
    tabletop.command_twist([0.0, 0.0, 0.2], REST)
    tabletop.step(0.6)
    assert tabletop.ee_pose()[0][2] > 0.44  # turns back at once: the target did not run away


def test_grasp_and_lift(tabletop: Tabletop) -> None:
    tabletop.reset(4)
    start, _ = tabletop.block_pose("green")
    tabletop.place_gripper(start + [0.0, 0.0, 0.01])
    tabletop.command_gripper(1.0)
    tabletop.step(1.0)
    tabletop.command_twist([0.0, 0.0, 0.1], REST)
    tabletop.step(1.0)
    assert tabletop.block_pose("green")[0][2] > start[2] + 0.07
    assert tabletop.distance("green") < 0.03


def test_bad_commands_name_themselves(tabletop: Tabletop) -> None:
    with pytest.raises(ValueError, match="twist"):
        tabletop.command_twist([np.nan, 0, 0], REST)
    with pytest.raises(ValueError, match="gripper"):
        tabletop.command_gripper(np.inf)
    with pytest.raises(ValueError, match="image size"):
        tabletop.render(width=5000, height=100)


def test_camera_model_points_at_what_is_rendered(tabletop: Tabletop) -> None:
    tabletop.reset(2)
    rgb, depth = tabletop.render(width=252, height=252)
    camera = tabletop.camera(width=252, height=252)
    for channel, color in enumerate(tabletop.colors):
        top = tabletop.block_pose(color)[0] + [0.0, 0.0, 0.02]
        x, y = np.rint(camera.project(top)).astype(int)
        pixel = rgb[y, x].astype(int)
        assert pixel[channel] == pixel.max() and pixel[channel] > 2 * np.median(pixel)
        expected = ((top - camera.position) @ camera.rotation)[2]
        assert depth[y, x] == pytest.approx(expected, abs=0.02)


def test_both_cameras_see_the_gripper_move(tabletop: Tabletop) -> None:
    tabletop.reset(2)
    before = [tabletop.render(name)[0] for name in tabletop.cameras]
    tabletop.command_twist([0.1, 0.0, 0.0], REST)
    tabletop.step(1.0)
    after = [tabletop.render(name)[0] for name in tabletop.cameras]
    for one, two in zip(before, after, strict=True):
        assert np.abs(one.astype(int) - two).mean() > 1.0


def test_joint_state_names_positions_velocities(tabletop: Tabletop) -> None:
    tabletop.reset(2)
    state = tabletop.joint_state()
    assert len(state.names) == len(state.positions) == len(state.velocities) == 9
    assert np.abs(state.velocities).max() < 1e-6
