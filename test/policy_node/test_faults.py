# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Cameras that stay away, are slow or change, and instructions that change during a pass."""

from __future__ import annotations

import time
from typing import Any

import cv2
import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from molmoact_ros.demo.graph import NodeSpec
from molmoact_ros.policy.pixels import rgb_from_image
from molmoact_ros.ros.images import image_from_rgb

NAME = "policy_with_faults"


@pytest.fixture(scope="module")
def robot(surround: Any, start: Any, golden_parameters: dict[str, Any]) -> Any:
    parameters = {
        **golden_parameters,
        "cameras": ["camera"],
        "instruction": "close the box",
        "max_new_tokens": 100,
    }
    start(NodeSpec("policy_node", NAME, parameters=parameters))
    return surround(NAME, {"camera": Image})


def camera_status(robot: Any, words: str, tick: Any = None) -> Any:
    """Wait until the cameras' status holds some words, and return it."""

    def found() -> list[Any]:
        return [s for s in robot.statuses("cameras")[-1:] if words in s.message]

    return robot.client.wait_for(found, words, tick)[0]


def test_a_camera_that_never_arrives_is_reported_and_then_used(robot: Any) -> None:
    status = camera_status(robot, "no frame has arrived")
    assert status.level == status.WARN
    robot.next_answer()


def test_a_camera_at_1_hz_is_used_and_reported(robot: Any) -> None:
    last = 0.0

    def show() -> None:
        nonlocal last
        if time.monotonic() >= last + 1.0:
            last = time.monotonic()
            robot.show(robot.image())

    status = camera_status(robot, "frames per second arrive on", show)
    assert status.level == status.WARN
    assert "config/fastdds.xml" in status.message
    values = {v.key: v.value for v in status.values}
    assert {"rate camera [Hz]", "age camera [s]", "skew camera [s]"} <= set(values)
    robot.next_answer(show)


def test_frames_that_get_lost_are_counted_and_reported(robot: Any) -> None:
    def burst() -> None:  # more than the queue holds
        image = robot.image()
        for _ in range(50):
            robot.show(image)

    status = camera_status(robot, "got lost on the way", burst)
    assert status.level == status.WARN
    assert "config/fastdds.xml" in status.message
    assert robot.count("cameras", "lost camera") > 0
    robot.next_answer()


def test_resolution_and_encoding_change_between_two_frames(robot: Any) -> None:
    sizes = [(96, 72), (160, 120), (64, 64)]
    shown = 0

    def show() -> None:
        nonlocal shown
        shown += 1
        rgb = rgb_from_image(robot.image(), "test")
        rgb = cv2.resize(rgb, sizes[shown % 3])
        image = image_from_rgb(rgb, Header(stamp=robot.client.stamp()))
        image.encoding = ("rgb8", "bgr8")[shown % 2]
        robot.show(image)

    seen: set[tuple[int, int]] = set()
    while len(seen) < 3:
        path = robot.next_answer(show).trajectory
        seen.add((path.image_width, path.image_height))
    assert seen == set(sizes)


def test_an_instruction_that_changes_during_a_pass(robot: Any) -> None:
    for number in range(5):
        robot.next_answer()
        for _ in range(3):  # the next inference has begun
            robot.show(robot.image())
            robot.client.spin()
        text = f"close box {number}"
        before = len(robot.reasonings)
        robot.instruct(text)
        robot.client.wait_for(
            lambda b=before, t=text: any(r.instruction == t for r in robot.reasonings[b:]),
            "the new instruction",
            lambda: robot.show(robot.image()),
        )
        asked = [r.instruction for r in robot.reasonings[before:]]
        assert asked == sorted(asked, key=text.__eq__), "never back to the old one"
