# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Other cells: their camera, conventions and words, and the files that describe them."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from molmoact_ros.control.robot_profile import load_profile, robot_path
from molmoact_ros.control.rotation import as_matrix
from molmoact_ros.record.settings import load_settings
from molmoact_ros.sim import SHIPPED, Cell, Tabletop, load_cell
from molmoact_ros.sim.scene import CAMERA_TARGET
from molmoact_ros.yaml_config import ProfileError

CONFIG = Path(__file__).parents[2] / "config"


@pytest.mark.parametrize("variation", ["easy", "varied"])
def test_the_camera_is_turned_on_its_orbit(variation: str) -> None:
    with closing(Tabletop(3, variation)) as usual, closing(Tabletop(3, variation, -35.0)) as turned:
        before, after = usual.camera(), turned.camera()
    target = np.array(CAMERA_TARGET)
    angle = np.arctan2(*(after.position - target)[1::-1]) - np.arctan2(
        *(before.position - target)[1::-1]
    )
    assert np.rad2deg(angle) == pytest.approx(-35.0, abs=2.0), "varied moves the target a little"
    np.testing.assert_allclose(after.project(target), before.project(target), atol=8.0)
    assert after.position[2] == pytest.approx(before.position[2])


def test_conventions_are_converted_there_and_back() -> None:
    cell = Cell(base_turn=90.0, gripper_open=1.0, gripper_closed=0.0)
    np.testing.assert_allclose(cell.to_base(np.array([1.3, 0.7, 0.5])), [0.7, -1.3, 0.5])
    points = np.random.default_rng(0).normal(size=(3, 3))
    np.testing.assert_allclose(cell.to_world(cell.to_base(points)), points)
    assert (cell.gripper_command(1.0), cell.closed_by(0.0)) == (0.0, 1.0)
    position, turn = cell.pose_to_base((points[0], np.array([0.0, 0.0, 0.0, 1.0])))
    np.testing.assert_allclose(as_matrix(turn) @ points[1], cell.to_base(points[1]))
    np.testing.assert_allclose(position, cell.to_base(points[0]))


def test_only_the_words_that_differ_are_replaced() -> None:
    cell = Cell(words={"green": "lime"})
    assert cell.worded("reach the green block") == "reach the lime block"
    assert cell.worded("reach the red block") == "reach the red block"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("camera_trun: 3.0", "camera_trun: unknown key; known: robot, camera_turn"),
        ("camera_turn: 181.0", "camera_turn: must be -180..180 deg, is 181"),
        ("gripper_closed: 0.0", "gripper_closed: must differ from open"),
        ("words: {green: lime coloured}", "words.green: must be one word"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "cell.yaml"
    file.write_text(text)
    with pytest.raises(ProfileError) as error:
        load_cell(file)
    assert str(error.value).startswith(f"cell.yaml: {problem}")


@pytest.mark.parametrize(
    ("recording", "cell"),
    [("tabletop", ""), ("tabletop_turned", "camera_turned"), ("tabletop_other", "other_robot")],
)
def test_recordings_fit_the_cells(recording: str, cell: str) -> None:
    """Camera pose, robot profile and gripper of a recording are those of the simulated cell."""
    described = load_cell(CONFIG / "cells" / f"{cell}.yaml") if cell else SHIPPED
    settings = load_settings(CONFIG / "recording" / f"{recording}.yaml")
    pose, gripper = settings.cameras["camera"].pose, settings.gripper
    assert pose is not None and gripper is not None
    with closing(Tabletop(0, camera_turn=described.camera_turn)) as table:
        model = table.camera()
    np.testing.assert_allclose(pose.position, described.to_base(model.position), atol=1e-4)
    turned = described.to_base(model.rotation.T).T
    np.testing.assert_allclose(as_matrix(np.array(pose.quaternion)), turned, atol=1e-4)
    commands = (gripper.command_open, gripper.command_closed)
    assert commands == (described.gripper_open, described.gripper_closed)
    profile = load_profile(robot_path(described.robot))
    assert settings.robot == described.robot == profile.robot
    assert profile.outputs.gripper is not None
    assert (profile.outputs.gripper.open, profile.outputs.gripper.closed) == commands
    box = profile.limits.workspace
    assert box is not None
    corner = described.to_base(np.array([1.55, 0.40, 0.405]))
    assert np.isclose([*box.min, *box.max], np.tile(corner, 2)).reshape(2, 3).any(axis=0).all()
