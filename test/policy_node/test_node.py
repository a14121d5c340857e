# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The policy node as a process: what it makes of good and of bad input."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from molmoact_ros.msg import ActionChunk, DepthTokens, Trajectory2D
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from molmoact_ros.demo.graph import POLICY, NodeSpec
from molmoact_ros.policy.pixels import rgb_from_compressed, rgb_from_image
from molmoact_ros.ros import qos

pytestmark = pytest.mark.usefixtures("node")


@pytest.fixture(scope="module")
def node(start: Any, golden_parameters: dict[str, Any]) -> Any:
    parameters = {**golden_parameters, "cameras": ["camera"], "constrained": True}
    return start(NodeSpec("policy_node", POLICY, parameters=parameters))


@pytest.fixture(scope="module")
def robot(surround: Any, node: Any) -> Any:
    made = surround(POLICY, {"camera": Image})
    made.instruct("close the box")
    made.next_answer()
    return made


def test_an_answer_carries_the_images_header_and_comes_on_every_topic(robot: Any) -> None:
    listen, name = robot.client.listen, POLICY
    chunks = listen(ActionChunk, f"{name}/action_chunk", qos.RESULT)
    depths = listen(DepthTokens, f"{name}/depth", qos.RESULT)
    paths = listen(Trajectory2D, f"{name}/trajectory", qos.RESULT)
    overlays = listen(Image, f"{name}/overlay", qos.PICTURE)
    jpegs = listen(CompressedImage, f"{name}/overlay/compressed", qos.PICTURE)
    shown: list[Image] = []

    def show() -> None:
        shown.append(robot.image())
        robot.show(shown[-1])

    topics = (robot.reasonings, chunks, depths, paths, overlays, jpegs)

    def stamped(messages: list[Any]) -> dict[tuple[int, int], Any]:
        return {(m.header.stamp.sec, m.header.stamp.nanosec): m for m in messages}

    def complete() -> list[Any]:
        """Return a picture, and the messages about it when they came on all topics."""
        found = [stamped(messages) for messages in (shown, *topics)]
        common = set.intersection(*map(set, found))
        return [messages[min(common)] for messages in found] if common else []

    image, reasoning, chunk, *others = robot.client.wait_for(complete, "all topics", show)
    overlay, jpeg = others[-2:]
    assert all(message.header == image.header for message in (reasoning, *others))
    assert chunk.header.frame_id == ""
    assert reasoning.instruction == "close the box"
    assert reasoning.generated_tokens == 12
    assert set(reasoning.stage_names) >= {"preprocess", "decode", "total"}
    assert rgb_from_image(overlay, "overlay").shape == (72, 96, 3)
    assert rgb_from_compressed(jpeg, "overlay").shape == (72, 96, 3)


def test_nonsense_is_published_as_not_valid_and_numbered(robot: Any) -> None:
    chunks = robot.client.listen(ActionChunk, f"{POLICY}/action_chunk", qos.RESULT)
    robot.client.wait_for(lambda: len(chunks) >= 3, "chunks", lambda: robot.show(robot.image()))
    numbers = [chunk.sequence for chunk in chunks]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    for chunk in chunks:
        assert not chunk.valid
        assert len(chunk.values) == chunk.horizon * chunk.dof
        assert (chunk.dof, chunk.action_space, chunk.step_period) == (7, "ee_delta", 0.1)
    assert robot.reasonings[-1].problems


@pytest.mark.parametrize("encoding", ["bgr8", "rgba8", "bgra8", "mono8"])
def test_reads_every_common_encoding(robot: Any, encoding: str) -> None:
    code = getattr(
        cv2, {"mono8": "COLOR_RGB2GRAY"}.get(encoding, f"COLOR_RGB2{encoding[:-1].upper()}")
    )
    pixels = cv2.cvtColor(np.zeros((72, 96, 3), np.uint8), code)

    def show() -> None:
        image = robot.image()
        image.encoding, image.step = encoding, pixels[0].size
        image.data = pixels.tobytes()
        robot.show(image)

    dropped = robot.count("cameras", "dropped camera")
    robot.next_answer(show)
    assert robot.count("cameras", "dropped camera") == dropped


def short(image: Image) -> None:
    image.data = image.data[:-1]


def unknown_encoding(image: Image) -> None:
    image.encoding = "yuv422_yuy2_of_tomorrow"


def without_stamp(image: Image) -> None:
    image.header.stamp.sec = image.header.stamp.nanosec = 0


def long_frame(image: Image) -> None:
    image.header.frame_id = "f" * 100_000


@pytest.mark.parametrize("spoil", [short, unknown_encoding, without_stamp, long_frame])
def test_a_bad_frame_is_dropped_and_counted_and_the_next_good_one_works(
    robot: Any, spoil: Any
) -> None:
    def show() -> None:
        image = robot.image()
        spoil(image)
        robot.show(image)

    dropped = robot.count("cameras", "dropped camera")
    assert robot.answers_while(show) == 0
    robot.client.wait_for(lambda: robot.count("cameras", "dropped camera") > dropped, "the count")
    robot.next_answer()


@pytest.mark.parametrize(("offset", "expected"), [(-100.0, "s old"), (100.0, "s in the future")])
def test_a_frame_of_another_time_is_not_used_and_diagnosed(
    robot: Any, offset: float, expected: str
) -> None:
    def show() -> None:
        robot.show(robot.image(offset))

    def found() -> list[Any]:
        return [s for s in robot.statuses("cameras")[-1:] if expected in s.message]

    assert robot.answers_while(show) == 0
    status = robot.client.wait_for(found, expected, show)[0]
    assert "camera 'camera'" in status.message
    assert status.level == status.WARN
    robot.next_answer()


def test_what_cannot_be_constrained_yet_is_reported(robot: Any) -> None:
    """Random weights give no well-formed answer to learn from."""
    robot.next_answer()
    status = robot.client.wait_for(
        lambda: [s for s in robot.statuses("decoding") if "tokens in" in s.message], "a report"
    )[-1]
    assert "not constrained yet: no well-formed answer" in status.message
    values = {v.key: v.value for v in status.values}
    assert (values["constrained"], values["tokens overruled"]) == ("False", "0")
    assert robot.next_answer().overruled_tokens == 0


def test_a_refused_instruction_stops_until_a_good_one_comes(robot: Any) -> None:
    robot.instruct("close the <im_patch> box")
    waiting = "waiting for an instruction"
    robot.client.wait_for(
        lambda: [s.message for s in robot.statuses("inference")[-1:]] == [waiting], waiting
    )
    assert robot.answers_while(lambda: robot.show(robot.image())) == 0
    robot.instruct("open the box")
    assert robot.next_answer().instruction == "open the box"


def test_an_instruction_of_a_megabyte_is_refused_unread(robot: Any, node: Any) -> None:
    """A tokenizer would make 600 MB of it, at every picture."""

    def peak() -> int:
        words = Path(f"/proc/{node.process(POLICY).pid}/status").read_text().split()
        return int(words[words.index("VmHWM:") + 1]) // 1024

    robot.next_answer()
    before, reports = peak(), len(robot.statuses("inference"))
    robot.instruct("close " * 200_000)
    robot.client.wait_for(
        lambda: (
            "waiting for an instruction" in robot.statuses("inference")[-1].message
            and len(robot.statuses("inference")) > reports + 1
        ),
        "the refusal",
        lambda: robot.show(robot.image()),
    )
    assert peak() - before < 50
    robot.instruct("close the box")
    robot.next_answer()


def test_a_publisher_that_keeps_nothing_can_instruct_too(robot: Any) -> None:
    """As `ros2 topic pub` does; and whoever speaks last is followed."""
    publisher = robot.client.node.create_publisher(String, f"{POLICY}/instruction", 10)
    robot.client.wait_for(publisher.get_subscription_count, "the subscription")

    def until_followed(text: str) -> None:
        robot.client.wait_for(
            lambda: robot.reasonings[-1].instruction == text,
            text,
            lambda: robot.show(robot.image()),
        )

    publisher.publish(String(data="shut the box"))
    until_followed("shut the box")
    robot.instruct("lift the box")
    until_followed("lift the box")
    robot.client.node.destroy_publisher(publisher)


def test_the_instruction_parameter_changes_the_task_and_is_checked(robot: Any) -> None:
    def put(text: str) -> Any:
        value = Parameter("instruction", value=text).to_parameter_msg()
        request = SetParameters.Request(parameters=[value])
        return robot.client.call(SetParameters, f"{POLICY}/set_parameters", request).results[0]

    refused = put("lift the <|endoftext|> lid")
    assert not refused.successful
    assert "instruction" in refused.reason
    assert put("lift " * 100_000).reason == (
        "parameter 'instruction': it has 500000 characters, at most 1000 are allowed"
    )
    assert put("lift the lid").successful
    robot.client.wait_for(
        lambda: robot.reasonings[-1].instruction == "lift the lid",
        "the new instruction",
        lambda: robot.show(robot.image()),
    )


def test_a_hint_is_followed_until_it_is_cleared(robot: Any) -> None:
    hints = robot.client.node.create_publisher(Trajectory2D, f"{POLICY}/trajectory_hint", 10)
    robot.client.wait_for(hints.get_subscription_count, "the hint's subscription")
    hints.publish(Trajectory2D(image_width=96, image_height=72, x=[0.0, 95.0], y=[0.0, 71.0]))

    def source() -> int:
        return robot.reasonings[-1].trajectory.source

    def show() -> None:
        robot.show(robot.image())

    robot.client.wait_for(lambda: source() == Trajectory2D.SOURCE_USER, "the hint", show)
    path = robot.reasonings[-1].trajectory
    assert (list(path.x), list(path.y)) == ([0.0, 95.0], [0.0, 71.0])
    size = {"image_width": 96, "image_height": 72}
    hints.publish(Trajectory2D(**size, x=[1.0], y=[]))  # dropped, as the next one is
    hints.publish(Trajectory2D(**size, x=[1.0] * 1_000_000, y=[1.0] * 1_000_000))
    hints.publish(Trajectory2D())
    robot.client.wait_for(lambda: source() == Trajectory2D.SOURCE_PREDICTED, "no hint", show)


def test_sigterm_ends_the_node_cleanly(robot: Any, node: Any) -> None:
    process = node.process(POLICY)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
