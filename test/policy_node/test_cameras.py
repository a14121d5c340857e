# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Two compressed cameras: matched by stamp, or not used, and then the reason is reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from molmoact_ros.demo.graph import NodeSpec
from molmoact_ros.policy.pixels import rgb_from_image
from molmoact_ros.ros.images import compressed_from_rgb

NAME = "two_cameras"


@pytest.fixture(scope="module")
def robot(surround: Any, start: Any, golden_parameters: dict[str, Any]) -> Any:
    parameters = {
        **golden_parameters,
        "cameras": ["front", "wrist"],
        "image_transport": "compressed",
        "instruction": "close the box",
        "max_camera_skew": 0.02,
        "max_image_age": 60.0,
        "max_image_pixels": 7680 * 4320,
    }
    start(NodeSpec("policy_node", NAME, parameters=parameters))
    made = surround(NAME, {"front": CompressedImage, "wrist": CompressedImage})
    made.next_answer(lambda: show(made))
    return made


def show(robot: Any, skew: float = 0.0, broken: bool = False) -> None:
    """Show a picture with each camera, the wrist's ``skew`` s earlier."""
    image = robot.image()
    rgb = rgb_from_image(image, "test")
    front = compressed_from_rgb(rgb, image.header)
    if broken:
        front.data = front.data[:20]
    wrist = compressed_from_rgb(rgb, Header(stamp=robot.client.stamp(-skew)))
    wrist.header.stamp = image.header.stamp if skew == 0.0 else wrist.header.stamp
    robot.show(front, "front")
    robot.show(wrist, "wrist")


def test_matching_frames_are_used(robot: Any) -> None:
    assert robot.next_answer(lambda: show(robot)).header.frame_id == "camera_optical"


def test_too_much_skew_is_diagnosed_with_the_camera(robot: Any) -> None:
    # Pairs that are apart by more than the ticks' distance never match each other by chance.
    def apart() -> None:
        show(robot, skew=4.0)

    def found() -> list[str]:
        messages = [status.message for status in robot.statuses("cameras")[-1:]]
        return [text for text in messages if "apart from camera 'front'" in text]

    assert robot.answers_while(apart) <= 1
    assert "camera 'wrist'" in robot.client.wait_for(found, "the reason", apart)[0]
    robot.next_answer(lambda: show(robot))


def test_a_broken_jpeg_is_dropped_and_counted(robot: Any) -> None:
    assert robot.answers_while(lambda: show(robot, broken=True)) == 0
    robot.client.wait_for(lambda: robot.count("cameras", "dropped front") > 0, "the count")
    robot.next_answer(lambda: show(robot))


def test_pictures_that_declare_too_much_are_dropped_and_the_next_good_ones_work(
    robot: Any, declaring: Callable[[int, int], bytes]
) -> None:
    bombs = [declaring(65500, 65500), declaring(20000, 20000), b"P5 20000 20000 255\n" + bytes(99)]
    dropped = robot.count("cameras", "dropped front")

    def bombard() -> None:
        for data in bombs:
            header = Header(stamp=robot.client.stamp(), frame_id="camera_optical")
            robot.show(CompressedImage(header=header, format="jpeg", data=data), "front")
            robot.client.spin(0.01)

    assert robot.answers_while(bombard) == 0
    counted = dropped + len(bombs)
    robot.client.wait_for(
        lambda: robot.count("cameras", "dropped front") >= counted, "the count", bombard
    )

    def both() -> None:
        bombard()
        show(robot)

    robot.next_answer(both)
    robot.next_answer(lambda: show(robot))


def test_an_8k_image_is_used(robot: Any) -> None:
    rgb = np.full((4320, 7680, 3), 128, np.uint8)
    jpeg = compressed_from_rgb(rgb, Header()).data

    def large() -> None:
        header = Header(stamp=robot.client.stamp())
        for camera in ("front", "wrist"):
            robot.show(CompressedImage(header=header, format="jpeg", data=jpeg), camera)
        robot.client.spin(0.5)  # each takes a while to be decoded

    def is_large() -> bool:
        return robot.reasonings[-1].trajectory.image_width == 7680

    robot.client.wait_for(is_large, "an answer about an 8K image", large)
    robot.next_answer(lambda: show(robot))
