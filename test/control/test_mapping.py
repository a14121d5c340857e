# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From columns to axes, and the gripper's conventions."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from golden_files import GOLDEN

from molmoact_ros.control import ActionChunk, ProfileError
from molmoact_ros.control.mapping import ActionMapping, AxisSource, GripperAction, GripperLogic

POLICY = GOLDEN / "text" / "policy.json"
COLUMNS = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")


def chunk(values: Any, names: Any = COLUMNS, space: Any = "ee_delta") -> Any:
    return ActionChunk(np.asarray(values, dtype=float), names, space, 0.1, 1.0, 1)


def test_order_sign_and_scale() -> None:
    mapping = ActionMapping(
        "ee_delta", COLUMNS, scale=0.5, axes={"x": AxisSource("y", -1.0), "y": AxisSource("x")}
    )
    rows = mapping.motion(chunk([[0.1, 0.2, 0.3, 1.0, 2.0, 3.0, 9.0]]))
    np.testing.assert_allclose(rows, [[-0.1, 0.05, 0.15, 0.5, 1.0, 1.5]])


def test_columns_are_found_by_name() -> None:
    names = COLUMNS[::-1]
    rows = ActionMapping("ee_delta", COLUMNS).motion(chunk([[9, 6, 5, 4, 3, 2, 1]], names))
    np.testing.assert_allclose(rows, [[1, 2, 3, 4, 5, 6]])


def test_axes_without_a_column_do_not_move() -> None:
    mapping = ActionMapping("ee_delta", ("x", "z"))
    assert mapping.used_axes == ("x", "z")
    rows = mapping.motion(chunk([[0.1, 0.2]], ("x", "z")))
    np.testing.assert_allclose(rows, [[0.1, 0, 0.2, 0, 0, 0]])


def test_absolute_joints_in_degrees_with_an_offset() -> None:
    mapping = ActionMapping(
        "joint_position", ("a.pos", "b.pos"), joints=("b", "a"),
        axes={"a": AxisSource("a.pos", np.pi / 180), "b": AxisSource("b.pos", -np.pi / 180, 0.5)},
    )  # fmt: skip
    rows = mapping.motion(chunk([[90.0, 180.0]], ("a.pos", "b.pos"), "joint_position"))
    np.testing.assert_allclose(rows, [[0.5 - np.pi, np.pi / 2]])


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"columns": ("x", "x")}, "columns"),
        ({"columns": ("gripper",), "gripper": GripperAction()}, "columns"),
        ({"space": "ee_pose", "columns": ("x", "y", "z")}, "columns"),
        ({"space": "joint_delta"}, "joints"),
        ({"joints": ("a",)}, "joints"),
        ({"space": "joint_delta", "columns": ("a",), "joints": ("a", "b")}, "columns"),
        ({"axes": {"x": AxisSource("x", 1.0, 0.1)}}, "axes.x.offset"),
        ({"space": "ee_pose", "frame": "tool"}, "frame"),
        ({"scale": -1.0}, "scale"),
    ],
)
def test_incomplete_mapping_is_refused(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(ProfileError) as error:
        ActionMapping(**({"space": "ee_delta", "columns": COLUMNS} | changes))
    assert error.value.path == path


def test_gripper_range_may_be_turned_round() -> None:
    mapping = ActionMapping("ee_delta", COLUMNS, gripper=GripperAction(open=1.0, closed=-1.0))
    values = np.zeros((3, 7))
    values[:, 6] = [1.0, 0.0, -1.0]
    closed = mapping.gripper_rows(chunk(values))
    assert closed is not None and closed.tolist() == [0.0, 0.5, 1.0]


def advance(action: Any, values: Any) -> Any:
    logic = GripperLogic(action)
    return [logic.advance(value) for value in values]


def test_continuous_gripper_is_clipped() -> None:
    assert advance(GripperAction(), [-0.2, 0.3, 1.4]) == [0.0, 0.3, 1.0]


def test_binary_gripper_has_hysteresis() -> None:
    action = GripperAction(mode="binary", close_above=0.7, open_below=0.3)
    values = [0.45, 0.69, 0.71, 0.5, 0.31, 0.29, 0.5, 0.8]
    assert advance(action, values) == [0, 0, 1, 1, 1, 0, 0, 1]


def test_sticky_gripper_holds_as_in_simpler_env() -> None:
    """Golden: SimplerEnv's google_robot moves the gripper while a change is latched, 15 steps."""
    steps = json.loads(POLICY.read_text())["simpler"]["google_robot"]
    raw = [step["raw"][6] for step in steps]
    relative = [step["gripper"][0] for step in steps]
    # In the data: 1 open .. -1 closed; previous - current > 0.5 closes.
    action = GripperAction(mode="sticky", open=1.0, closed=-1.0)
    closed = [(value - action.open) / (action.closed - action.open) for value in raw]
    commands = advance(action, closed)
    moving = [i for i, value in enumerate(relative) if abs(value) > 0.5]
    assert len(moving) >= 20
    for i in moving:
        assert commands[i] == (1.0 if relative[i] > 0 else 0.0), f"step {i}"
    changes = [i for i in range(1, len(commands)) if commands[i] != commands[i - 1]]
    assert set(changes) <= set(moving), "the gripper only changes while a command is latched"


@pytest.mark.parametrize(
    "changes", [{"mode": "soft"}, {"open": 1.0}, {"open_below": 0.8}, {"sticky_steps": 0}]
)
def test_gripper_without_a_meaning_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ProfileError):
        GripperAction(**changes)
