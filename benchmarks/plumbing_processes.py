# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The processes that `benchmarks.plumbing` starts: two cameras, and the real policy node, watched.

Each writes what it saw to the JSON file that its first argument names, when it is terminated.
"""

from __future__ import annotations

import array
import functools
import json
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

CAMERAS = ("front", "wrist")
POLICY = "molmoact_policy"
RATE = 30.0  # Hz
SIZE = (640, 480)  # px


def cameras() -> None:
    """Publish both pictures at the same moments until SIGTERM; write the stamps."""
    import rclpy
    from rclpy.signals import SignalHandlerOptions
    from sensor_msgs.msg import Image

    from molmoact_ros.ros import qos

    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("cameras")
    width, height = SIZE
    message = Image(width=width, height=height, encoding="rgb8", step=3 * width)
    message.data = array.array("B", _picture().tobytes())
    publishers = [
        node.create_publisher(Image, f"/{POLICY}/{camera}/image", qos.IMAGE) for camera in CAMERAS
    ]
    stamps: list[float] = []
    start = time.monotonic()
    while not stopping.wait(max(0.0, start + len(stamps) / RATE - time.monotonic())):
        now = time.time_ns()
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(now, 1_000_000_000)
        stamps.append(now * 1e-9)
        for publisher in publishers:
            publisher.publish(message)
    node.destroy_node()
    rclpy.shutdown()
    Path(sys.argv[1]).write_text(json.dumps(stamps))


def policy() -> int:
    """Run the node as it is, and note when frames are ready and answers are published."""
    from molmoact_ros.policy.frame_matcher import FrameMatcher
    from molmoact_ros.policy_node.answers import AnswerPublisher, TaskAnswer
    from molmoact_ros.policy_node.node import main

    frames: list[tuple[str, float, float]] = []
    answers: list[dict[str, float]] = []
    add, publish = FrameMatcher.add, AnswerPublisher.publish

    @functools.wraps(add)
    def watched_add(self: FrameMatcher, camera: str, frame: Any) -> None:
        add(self, camera, frame)
        frames.append((camera, frame.stamp, time.time()))

    @functools.wraps(publish)
    def watched_publish(self: AnswerPublisher, answer: TaskAnswer) -> Any:
        trajectory = publish(self, answer)
        seconds = {"overlay": self.overlay_seconds, **answer.reasoning.timings}
        answers.append({"time": time.time(), **seconds})
        return trajectory

    FrameMatcher.add = watched_add  # type: ignore[method-assign]
    AnswerPublisher.publish = watched_publish  # type: ignore[method-assign, assignment]
    threads: dict[str, str] = {}
    _note_threads(threads)
    result = Path(sys.argv.pop(1))
    code = main()
    result.write_text(json.dumps({"frames": frames, "answers": answers, "threads": threads}))
    return code


def _note_threads(names: dict[str, str]) -> None:
    """Note the names of this process's threads by their ids, now and while they come."""

    def watch() -> None:
        while True:
            names.update({str(t.native_id): t.name for t in threading.enumerate()})
            time.sleep(1.0)

    threading.Thread(target=watch, name="benchmark", daemon=True).start()


def _picture() -> np.ndarray:
    """Return a picture with edges, shades and noise, as a camera sees; RGB uint8 [H, W, 3]."""
    width, height = SIZE
    y, x = np.mgrid[0:height, 0:width]
    shades = np.stack([x * 255 // width, y * 255 // height, (x // 80 + y // 60) % 2 * 120], axis=2)
    noise = np.random.default_rng(0).integers(0, 12, shades.shape)
    return (shades * 0.9 + noise).astype(np.uint8)
