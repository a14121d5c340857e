# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Messages and dataclasses hold the same."""

import math
from typing import Any

import numpy as np
import pytest
from molmoact_ros.msg import Trajectory2D
from std_msgs.msg import Header

from molmoact_ros.policy.types import Reasoning
from molmoact_ros.ros.conversions import (
    ActionFormat,
    MessageError,
    chunk_from_message,
    chunk_to_message,
    reasoning_to_message,
    seconds,
    time_message,
    trajectory_from_message,
    trajectory_to_message,
)

HEADER = Header(stamp=time_message(12.5), frame_id="camera_optical")
SIZE = (640, 480)
FORM = ActionFormat("ee_delta", ("x", "y", "gripper"), 0.1, "base_link")


def reasoning(**changes: Any) -> Reasoning:
    values: dict[str, Any] = {
        "depth_codes": np.arange(100, dtype=np.uint8).reshape(10, 10),
        "trajectory": np.array([[0.0, 255.0], [127.5, 51.0]]),
        "trajectory_source": "predicted",
        "actions": np.array([[0.01, -0.02, 1.0], [0.03, 0.04, 0.0]]),
        "valid": True,
        "problems": (),
        "confidence": 0.75,
        "spread": np.array([[1e-3, 2e-3, 0.1], [3e-3, 4e-3, 0.2]]),
        "unnorm_key": "tabletop",
        "text": " The depth map",
        "ids": (1, 2, 3),
        "forward_passes": 2,
        "drafted": {"time": 5, "grammar": 7},
        "overruled": 3,
        "accepted": {"time": 4},
        "timings": {"prefill": 0.1, "total": 0.5},
    }
    return Reasoning(**{**values, **changes})


@pytest.mark.parametrize("stamp", [0.0, 0.1, 1.9999999996, 1_795_000_000.123456])
def test_times_survive(stamp: float) -> None:
    message = time_message(stamp)
    assert 0 <= message.nanosec < 1_000_000_000
    assert seconds(message) == pytest.approx(stamp, abs=1e-6)


def test_trajectories_are_in_pixels_of_their_image() -> None:
    message = trajectory_to_message(reasoning().trajectory, "user", HEADER, SIZE)
    assert list(message.x) == [0.0, 319.5]
    assert list(message.y) == [479.0, pytest.approx(95.8)]
    assert (message.image_width, message.image_height) == SIZE
    assert message.source == Trajectory2D.SOURCE_USER
    np.testing.assert_allclose(trajectory_from_message(message), reasoning().trajectory)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (Trajectory2D(image_width=9, image_height=9, x=[1.0], y=[]), "x has 1 values, y has 0"),
        (Trajectory2D(image_width=9, image_height=9, x=[math.nan], y=[1.0]), "finite"),
        (Trajectory2D(x=[1.0], y=[1.0]), "image_width and image_height"),
        (Trajectory2D(image_width=2**31, image_height=9, x=[1.0], y=[1.0]), "2 .. 65535 px"),
        (
            Trajectory2D(image_width=9, image_height=9, x=[1.0] * 20_000, y=[1.0] * 20_000),
            "20000 points, at most 10000",
        ),
    ],
)
def test_contradictory_trajectories_are_errors(message: Trajectory2D, expected: str) -> None:
    with pytest.raises(MessageError, match=expected):
        trajectory_from_message(message)


def test_an_empty_trajectory_needs_no_image() -> None:
    assert trajectory_from_message(Trajectory2D()).shape == (0, 2)


def test_chunks_survive() -> None:
    message = chunk_to_message(reasoning(), FORM, HEADER.stamp, 7)
    assert message.header.frame_id == "base_link"
    assert list(message.spread) == pytest.approx([1e-3, 2e-3, 0.1, 3e-3, 4e-3, 0.2])
    chunk = chunk_from_message(message)
    np.testing.assert_array_equal(chunk.values, reasoning().actions)
    assert (chunk.names, chunk.action_space) == (FORM.names, FORM.action_space)
    assert (chunk.step_period, chunk.stamp, chunk.sequence) == (0.1, 12.5, 7)
    assert (chunk.valid, chunk.confidence, chunk.frame) == (True, 0.75, "base_link")


def test_a_chunk_without_rows_and_confidence_survives() -> None:
    empty = reasoning(actions=np.empty((0, 3)), valid=False, confidence=None, spread=None)
    message = chunk_to_message(empty, FORM, HEADER.stamp, 1)
    assert math.isnan(message.confidence)
    assert len(message.spread) == 0
    chunk = chunk_from_message(message)
    assert (chunk.values.shape, chunk.valid, chunk.confidence) == ((0, 3), False, None)


def test_a_chunk_of_the_wrong_length_is_an_error() -> None:
    message = chunk_to_message(reasoning(), FORM, HEADER.stamp, 1)
    message.horizon = 3
    with pytest.raises(MessageError, match="values has 6 entries, horizon x dof needs 3 x 3"):
        chunk_from_message(message)


def test_reasoning_holds_everything() -> None:
    chunk = chunk_to_message(reasoning(), FORM, HEADER.stamp, 7)
    message = reasoning_to_message(reasoning(problems=("a", "b")), "go", chunk, HEADER, SIZE)
    assert message.header == message.depth.header == message.trajectory.header == HEADER
    assert (message.instruction, message.text, message.actions) == ("go", " The depth map", chunk)
    assert (message.depth.rows, message.depth.cols) == (10, 10)
    assert list(message.depth.codes) == list(range(100))
    assert message.problems == ["a", "b"]
    assert (message.stage_names, list(message.stage_seconds)) == (["prefill", "total"], [0.1, 0.5])
    assert (message.generated_tokens, message.forward_passes) == (3, 2)
    assert message.draft_sources == ["grammar", "time"]
    assert (list(message.drafted_tokens), list(message.accepted_tokens)) == ([7, 5], [0, 4])
    assert message.overruled_tokens == 3


def test_an_answer_without_depth_has_an_empty_grid() -> None:
    chunk = chunk_to_message(reasoning(), FORM, HEADER.stamp, 1)
    message = reasoning_to_message(reasoning(depth_codes=None), "go", chunk, HEADER, SIZE)
    assert (message.depth.rows, message.depth.cols, len(message.depth.codes)) == (0, 0, 0)
