# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Gripper conventions against the golden sequences of the reference's evaluation scripts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from golden_files import GOLDEN

from molmoact_ros.answer.gripper_conventions import (
    CONVENTIONS,
    STICKY_STEPS,
    GripperConverter,
)
from molmoact_ros.control.rotation import from_rpy, to_rotation_vector

POLICY = json.loads((GOLDEN / "text/policy.json").read_text(encoding="utf-8"))


def test_libero() -> None:
    values, commands = zip(*POLICY["libero_gripper"], strict=True)
    assert GripperConverter("libero").convert(values).tolist() == list(commands)


@pytest.mark.parametrize("robot, convention", [("google_robot",) * 2, ("widowx_bridge", "widowx")])
def test_simpler(robot: str, convention: str) -> None:
    converter = GripperConverter(convention)
    for step in POLICY["simpler"][robot]:
        assert converter.convert([step["raw"][6]]).tolist() == step["gripper"]


@pytest.mark.parametrize("robot", POLICY["simpler"])
def test_simpler_motion_needs_no_conversion_but_the_rotation_vector(robot: str) -> None:
    for step in POLICY["simpler"][robot]:
        raw = np.array(step["raw"])
        np.testing.assert_array_equal(raw[:3], step["world_vector"])
        rotation = to_rotation_vector(from_rpy(raw[3:6]))
        np.testing.assert_allclose(rotation, step["rot_axangle"], atol=1e-9)
        assert step["terminate"] == [0.0]


def test_sticky_memory_survives_the_end_of_a_chunk() -> None:
    raw = [step["raw"][6] for step in POLICY["simpler"]["google_robot"]]
    whole = GripperConverter("google_robot").convert(raw)
    halves = GripperConverter("google_robot")
    np.testing.assert_array_equal(
        np.concatenate([halves.convert(raw[:10]), halves.convert(raw[10:])]), whole
    )
    halves.reset()
    np.testing.assert_array_equal(halves.convert(raw), whole)


def test_sticky_command_is_held_and_released() -> None:
    commands = GripperConverter("google_robot").convert([1.0, 0.0] + [0.0] * 20)
    assert commands.tolist() == [0.0] + [1.0] * STICKY_STEPS + [0.0] * (21 - STICKY_STEPS)


def test_open_and_closed() -> None:
    assert GripperConverter("as_is").convert([0.2, 1.0]).tolist() == [0.2, 1.0]
    assert GripperConverter("one_minus").convert([0.25, 1.0]).tolist() == [0.75, 0.0]
    assert GripperConverter("one_minus", 0.5).convert([0.1, 0.5, 0.9]).tolist() == [1, 0, 0]


def test_unknown_convention_and_needless_threshold() -> None:
    with pytest.raises(ValueError, match=f"'two_minus' is not one of {', '.join(CONVENTIONS)}"):
        GripperConverter("two_minus")
    with pytest.raises(ValueError, match="fixed thresholds"):
        GripperConverter("libero", 0.5)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_nan_never_becomes_a_command(convention: str) -> None:
    assert np.isnan(GripperConverter(convention).convert([0.5, np.nan])[1])
    if convention == "one_minus":
        assert np.isnan(GripperConverter(convention, 0.5).convert([np.nan])[0])
