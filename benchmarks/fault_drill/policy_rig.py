# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The real policy node with the shipped checkpoint, its cameras, and a subscriber."""

from __future__ import annotations

import array
import json
import os
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from molmoact_ros.msg import ActionReasoning, Trajectory2D
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from molmoact_ros.ros import qos

from .drill import Attempt, Stuck
from .measure import memory
from .pipes import ROOT, Process

CHECKPOINT = ROOT / "checkpoints" / "tabletop"
PATIENCE = 120.0  # s: torch is loaded, on a machine that may be busy
_ANSWER = 60.0  # s
_NODE = "molmoact_policy"
_CODE = "import sys; from molmoact_ros.policy_node.node import main; sys.exit(main())"
_SIZE = 252  # px
_SLEEP = 0.1  # s between two pictures


class PolicyRig:
    """A context manager; at its end the node must live and answer good pictures."""

    def __init__(
        self, attempt: Attempt, transport: str, cameras: tuple[str, ...] = ("camera",)
    ) -> None:
        """Start the node."""
        self.attempt = attempt
        self.compressed = transport == "compressed"
        self._cameras = cameras
        environment = attempt.environment(images=True)
        os.environ.update(environment)
        parameters = {
            "checkpoint": str(CHECKPOINT), "device": "cpu", "dtype": "float32", "threads": 1,
            "cameras": list(cameras), "image_transport": transport,
            "instruction": "reach the red block",
        }  # fmt: skip
        arguments = ["--ros-args", "-r", f"__node:={_NODE}"]
        for name, value in parameters.items():
            arguments += ["-p", f"{name}:={json.dumps(value)}"]
        log = attempt.folder / "policy.log"
        self.process = Process([sys.executable, "-c", _CODE, *arguments], log, environment)
        self._join(int(environment["ROS_DOMAIN_ID"]))
        self.good = self._picture()

    def _join(self, domain: int) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = node = rclpy.create_node("fault_drill", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        self.answers: list[Any] = []
        self.troubles: set[str] = set()  # what diagnostics warned of
        node.create_subscription(ActionReasoning, f"{_NODE}/reasoning", self.answers.append, 50)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)
        kind, end = (CompressedImage, "/compressed") if self.compressed else (Image, "")
        self._publishers = {
            camera: node.create_publisher(
                kind, f"{_NODE}/{camera}/image{end}", qos_profile_sensor_data
            )
            for camera in self._cameras
        }
        topic = f"{_NODE}/instruction"
        self.instruction = node.create_publisher(String, topic, qos.LATCHED)
        self.hint = node.create_publisher(Trajectory2D, f"{_NODE}/trajectory_hint", 10)

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            if status.level != status.OK:
                self.troubles.add(f"{status.name}: {status.message}")

    def __enter__(self) -> PolicyRig:
        """Wait for the first answer."""
        try:
            self.until(lambda: bool(self.answers), "the first answer", PATIENCE, self.show_good)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End everything."""
        try:
            if kind is None:
                self.attempt.check(self.process.is_alive(), "the policy's process has ended")
                text = self.process.text
                self.attempt.check("Traceback" not in text, f"a traceback: {text[-400:]}")
        finally:
            self._end()

    def _end(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)
        self.process.end()

    # Pictures.

    def _picture(self) -> np.ndarray:
        """Return a picture with edges and noise, BGR `[H, W, 3]`."""
        y, x = np.mgrid[0:_SIZE, 0:_SIZE]
        shades = np.stack([x, y, (x // 40 + y // 30) % 2 * 120], axis=2)
        noise = np.random.default_rng(0).integers(0, 12, shades.shape)
        return np.asarray((shades * 0.9 + noise).astype(np.uint8))

    def jpeg(self, picture: np.ndarray) -> bytes:
        """Return a picture as JPEG."""
        return bytes(cv2.imencode(".jpg", picture)[1].tobytes())

    def compressed_message(self, data: bytes, form: str = "jpeg") -> Any:
        """Return a CompressedImage."""
        message = CompressedImage(format=form, data=array.array("B", data))
        return self._stamped(message)

    def raw_message(self, picture: np.ndarray, encoding: str = "bgr8") -> Any:
        """Return an Image of `[H, W, C]` bytes."""
        height, width, channels = picture.shape
        message = Image(height=height, width=width, encoding=encoding, step=width * channels)
        message.data = array.array("B", picture.tobytes())
        return self._stamped(message)

    def _stamped(self, message: Any) -> Any:
        message.header.stamp = self.node.get_clock().now().to_msg()
        return message

    def show(self, message: Any, camera: str | None = None) -> Any:
        """Publish a picture on one camera, by default on all; return its stamp."""
        for name, publisher in self._publishers.items():
            if camera in (None, name):
                publisher.publish(message)
        return message.header.stamp

    def show_good(self, camera: str | None = None) -> Any:
        """Publish a good picture and return its stamp."""
        if self.compressed:
            return self.show(self.compressed_message(self.jpeg(self.good)), camera)
        return self.show(self.raw_message(self.good), camera)

    # What is waited for.

    def until(
        self,
        condition: Callable[[], bool],
        what: str,
        timeout: float = _ANSWER,
        act: Callable[[], Any] = lambda: None,
    ) -> float:
        """Call `act` ten times per second until a condition holds; return the time, s."""
        begin = time.monotonic()
        while not condition():
            if not self.process.is_alive():
                code = self.process.popen.returncode
                raise Stuck(f"the policy ended with code {code}: {self.process.text[-500:]}")
            if time.monotonic() - begin > timeout:
                raise Stuck(f"waited {timeout:.0f} s for {what}")
            act()
            self.spin(_SLEEP)
        return time.monotonic() - begin

    def spin(self, seconds: float) -> None:
        """Take messages for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0.0:
            self._executor.spin_once(timeout_sec=left)

    def until_answer(self, instruction: str = "", after: str = "") -> float:
        """Show good pictures until one of them is answered; return how long that took, s.

        Args:
            instruction: That has to be answered.
            after: What happened before, for the failure's text.
        """
        shown: list[Any] = []

        def is_answered() -> bool:
            return any(
                answer.header.stamp in shown and instruction in answer.instruction
                for answer in self.answers[-20:]
            )

        what = f"an answer{after and ' after: ' + after}"
        return self.until(is_answered, what, act=lambda: shown.append(self.show_good()))

    def memory(self, peak: bool = False) -> float:
        """Return the node's memory, MB."""
        return memory(self.process.pid, peak)
