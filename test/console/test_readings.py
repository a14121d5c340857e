# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Messages into readings, pictures and drawings."""

import math
import re

import cv2
import numpy as np
import pytest

pytest.importorskip("molmoact_ros.msg")

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue  # noqa: E402
from molmoact_ros.msg import ActionReasoning, ExecutorStatus, Trajectory2D  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from molmoact_ros.console import receiving  # noqa: E402
from molmoact_ros.console.drawing import PERSON, path_svg, scaled  # noqa: E402
from molmoact_ros.console.pictures import PictureFeed  # noqa: E402
from molmoact_ros.ros.images import image_from_rgb  # noqa: E402


def test_an_answer_is_cut_to_what_a_page_can_show() -> None:
    message = ActionReasoning(
        instruction="i" * 5000, text="t" * 5000, problems=["p" * 5000] * 100,
        stage_seconds=[0.5, math.nan, 0.25],
    )  # fmt: skip
    message.trajectory = Trajectory2D(image_width=10, image_height=10, x=[1.0] * 500, y=[2.0] * 500)
    message.actions.confidence = math.nan
    answer = receiving.answer(message, 1.0)
    assert len(answer.instruction) == 1000
    assert len(answer.problems) == 8 and len(answer.problems[0]) == 400
    assert len(answer.points) == 64
    assert answer.seconds == 0.75
    assert answer.confidence is None


def test_a_path_that_contradicts_itself_is_none_and_a_problem() -> None:
    message = ActionReasoning()
    message.trajectory = Trajectory2D(image_width=10, image_height=10, x=[1.0], y=[])
    answer = receiving.answer(message, 1.0)
    assert answer.points == ()
    assert "x has 1 values" in answer.problems[0]


def test_an_unknown_state_of_the_executor_is_shown_as_halted() -> None:
    assert receiving.executor_reading(ExecutorStatus(state=250), 1.0).state == 4


def test_statuses_replace_those_of_the_same_name_and_are_bounded() -> None:
    def status(name: str, message: str) -> DiagnosticStatus:
        values = [KeyValue(key="k" * 500, value="v" * 500)] * 100
        return DiagnosticStatus(
            level=DiagnosticStatus.WARN, name=name, message=message, values=values
        )

    known = receiving.merged((), [status("a", "first"), status("b", "x" * 5000)], 1.0)
    known = receiving.merged(known, [status("a", "second")], 2.0)
    assert [(each.name, each.message[:6], each.received) for each in known] == [
        ("a", "second", 2.0), ("b", "xxxxxx", 1.0),
    ]  # fmt: skip
    assert len(known[1].message) == 400
    assert known[0].level == 1
    flood = [status(f"n{number}", "") for number in range(1000)]
    assert len(receiving.merged(known, flood, 3.0)) == 60


def decoded(data: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture


def test_a_picture_is_encoded_once_and_made_smaller() -> None:
    feed = PictureFeed("/camera", compressed=False)
    assert feed.encoded() is None
    feed.take(image_from_rgb(np.full((1080, 1920, 3), 200, np.uint8), Header()), 1.0, 0.02)
    first = feed.encoded()
    assert first is not None and decoded(first.data).shape == (720, 1280, 3)
    assert feed.encoded() is first
    assert (feed.reading(1.0).number, feed.reading(1.0).received) == (1, 1.0)
    feed.take(image_from_rgb(np.zeros((20, 30, 3), np.uint8), Header()), 1.1, 0.02)
    second = feed.encoded()
    assert second is not None and second.number == 2
    assert decoded(second.data).shape == (20, 30, 3)
    assert (feed.reading(1.2).number, feed.reading(1.2).received) == (2, 1.1)
    assert feed.reading(1.2).rate == 1.0


def test_a_compressed_picture_is_handed_on() -> None:
    _, jpeg = cv2.imencode(".jpg", np.zeros((20, 30, 3), np.uint8))
    feed = PictureFeed("/camera", compressed=True)
    feed.take(CompressedImage(data=jpeg.tobytes()), 1.0, 0.0)
    picture = feed.encoded()
    assert picture is not None
    assert (picture.data, picture.kind) == (jpeg.tobytes(), "image/jpeg")


def test_what_is_no_picture_is_a_problem_until_the_next_one() -> None:
    feed = PictureFeed("/camera", compressed=False)
    feed.take(Image(encoding="rgb8", width=4, height=4, step=12), 1.0, 0.0)
    assert feed.encoded() is None
    assert feed.reading(1.0).problem.startswith("/camera: ")
    feed.take(image_from_rgb(np.zeros((20, 30, 3), np.uint8), Header()), 1.1, 0.0)
    assert feed.encoded() is not None
    assert feed.reading(1.2).problem == ""


def test_a_script_declared_as_a_picture_is_refused() -> None:
    feed = PictureFeed("/camera", compressed=True)
    feed.take(CompressedImage(format="jpeg", data=b"<script>alert(1)</script>"), 1.0, 0.0)
    assert feed.encoded() is None
    assert "/camera" in feed.reading(1.0).problem


def test_paths_are_numbers_only() -> None:
    svg = path_svg(scaled(((0.0, 0.0), (251.0, 125.5)), (252, 252), (504, 504)), PERSON, 504)
    assert "503.0,251.5" in svg
    assert re.fullmatch(r"(<(polyline|circle)( [a-z-]+=\"[#\w., -]*\")+/>)+", svg)
    assert path_svg((), PERSON, 504) == ""
    assert scaled(((1.0, 1.0),), (0, 0), (504, 504)) == []
