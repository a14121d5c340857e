# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is published of an answer, and in which order."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from molmoact_ros.msg import ActionChunk
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from molmoact_ros.policy.task import PolicyTask
from molmoact_ros.policy.types import ActionFormat, Reasoning
from molmoact_ros.policy_node import answers
from molmoact_ros.policy_node.answers import AnswerPublisher, TaskAnswer
from molmoact_ros.ros import qos

NAMES = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
REASONING = Reasoning(
    depth_codes=None,
    trajectory=np.array([[1.0, 2.0], [30.0, 40.0]]),
    trajectory_source="predicted",
    actions=np.zeros((2, 7)),
    valid=True,
    problems=(),
    confidence=None,
    spread=None,
    unnorm_key="test",
    text="",
    ids=(1, 2),
    forward_passes=1,
    timings={},
)


def test_the_chunk_is_out_before_a_picture_is_drawn(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = AnswerPublisher(
        client.node, ActionFormat("ee_delta", NAMES, 0.1, "base_link"), lambda codes: None
    )
    chunks = client.listen(ActionChunk, "test_client/action_chunk", qos.RESULT)
    overlays = client.listen(Image, "test_client/overlay", qos.PICTURE)
    count = client.node.count_subscribers
    client.wait_for(lambda: count("/test_client/overlay") and count("/test_client/action_chunk"))
    drawn_after: list[int] = []

    def draw(rgb: np.ndarray, *rest: Any) -> np.ndarray:
        end = time.monotonic() + 20.0  # only waited for where the chunk comes later
        while not chunks and time.monotonic() < end:
            client.spin()
        drawn_after.append(len(chunks))
        return rgb

    monkeypatch.setattr(answers, "draw_overlay", draw)
    rgb = np.zeros((48, 64, 3), np.uint8)
    header = Header(stamp=client.stamp())
    publisher.publish(TaskAnswer(7, PolicyTask("wait"), REASONING, rgb, header))
    assert drawn_after == [1]
    client.wait_for(lambda: overlays, "the picture")
    assert chunks[0].sequence == 7
    assert 0.0 < publisher.publish_seconds
    assert 0.0 < publisher.overlay_seconds
