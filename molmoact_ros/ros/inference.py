# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs the policy on the newest frames, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from rclpy.node import Node
from std_msgs.msg import Header

from molmoact_ros.reasoning import Observation, Reasoning

from .cameras import CameraInputs
from .frames import Frame, FrameMatcher, NoMatch
from .images import ImageError
from .pacing import pause_after_answer
from .task import Task, TaskDesk

if TYPE_CHECKING:
    from molmoact_ros.policy import MolmoActPolicy

_POLL = 0.05  # s; longest wait of the thread before it looks at the clock again
_BLIND = 10.0  # s without usable frames after which who asked should know


@dataclass(frozen=True)
class Answer:
    """One answer, with what it was asked for and saw.

    Attributes:
        sequence: Its number.
        task: The question.
        reasoning: The answer itself.
        rgb: First camera's picture, RGB uint8 ``[H, W, 3]``.
        header: That picture's header.
    """

    sequence: int
    task: Task
    reasoning: Reasoning
    rgb: np.ndarray
    header: Header


class Inference:
    """Feeds the policy; callbacks elsewhere only store what arrives.

    An inference starts as soon as the one before has ended and a frame has arrived that was not
    used yet, not before ``inference_period``, and not while a chunk is executed that will be over
    before the next answer (`pacing`). It always takes the newest frames. While it runs, the
    executor follows the chunk before and later enters the new chunk at the step that belongs to
    the motion since its image. A task that changes meanwhile ends it at once.

    Attributes:
        answers: How many were given.
        failures: How many inferences failed.
        last: The latest answer.
        waiting_for: Why there is no inference now; empty while there is one.
    """

    def __init__(
        self,
        node: Node,
        policy: MolmoActPolicy,
        desk: TaskDesk,
        matcher: FrameMatcher,
        inputs: CameraInputs,
        chunk_seconds: float,
        period: Callable[[], float],
        publish: Callable[[Answer], None],
    ) -> None:
        """Prepare; `start` starts.

        Args:
            node: Its clock and its logger are used.
            policy: Answers.
            desk: Says what to do.
            matcher: Gives frames; its first camera leads.
            inputs: Hears of frames that can not be read.
            chunk_seconds: How long the rows of one answer are executed.
            period: Returns the least time between the starts of two inferences, s.
            publish: Takes the answers.
        """
        self._node = node
        self._policy = policy
        self._desk = desk
        self._matcher = matcher
        self._inputs = inputs
        self._chunk_seconds = chunk_seconds
        self._period = period
        self._publish = publish
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.answers = 0
        self.failures = 0
        self.last: Reasoning | None = None
        self.waiting_for = ""
        self._blind: tuple[int, float] | None = None  # request, and since when; s

    def blindness(self, order: int) -> str | None:
        """Return why a request has had no usable frames for a while, None where it has had."""
        blind = self._blind
        if blind is None or blind[0] != order or self._now() < blind[1] + _BLIND:
            return None
        return f"no usable images for {_BLIND:.0f} s: {self.waiting_for}"

    @property
    def is_running(self) -> bool:
        """Whether the thread runs, perhaps only until the end of its present pass."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread; it must not run."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Tell the thread to end, which it does after the present pass; nothing comes after."""
        self._stopping.set()
        self._matcher.wake()

    def wait(self, timeout: float) -> None:
        """Wait until the thread has ended, at most ``timeout`` s."""
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        started, pause_ends = -np.inf, -np.inf
        while not self._stopping.is_set():
            now = self._now()
            early = 0.0 <= now - started < self._period()
            if early or 0.0 < pause_ends - now <= self._chunk_seconds:
                self._stopping.wait(_POLL)
                continue
            task = self._desk.task
            if not task.instruction:
                self.waiting_for = "instruction"
                self._stopping.wait(_POLL)
                continue
            frames = self._matcher.take(now)
            if isinstance(frames, NoMatch):
                self._note(frames, task, now)
                self._matcher.wait(_POLL)
                continue
            self.waiting_for = ""
            started = now
            if self._infer(task, frames):
                answered = self._now()
                pause_ends = answered + pause_after_answer(self._chunk_seconds, answered - started)

    def _now(self) -> float:
        return float(self._node.get_clock().now().nanoseconds * 1e-9)

    def _note(self, missing: NoMatch, task: Task, now: float) -> None:
        self.waiting_for = missing.reason
        if self._blind is None or self._blind[0] != task.order or now < self._blind[1]:
            self._blind = task.order, now
        if not missing.waiting:
            self._node.get_logger().warning(
                f"no inference: {missing.reason}", throttle_duration_sec=5.0
            )

    def _infer(self, task: Task, frames: Mapping[str, Frame]) -> bool:
        """Answer for these frames; return whether actions to be executed were published."""
        images = self._read(frames)
        if images is None:
            return False
        self._blind = None

        def is_obsolete() -> bool:
            return self._stopping.is_set() or task is not self._desk.task

        lead = frames[next(iter(frames))]
        image_age = self._now() - lead.stamp
        observation = Observation(images, task.instruction, task.hint, lead.stamp)
        try:
            reasoning = self._policy.infer(observation, is_obsolete)
        except Exception as error:  # noqa: BLE001 - a node that dies is worse than any of them
            if not is_obsolete():
                self.failures += 1
                self._node.get_logger().error(
                    f"inference failed: {type(error).__name__}: {error}",
                    throttle_duration_sec=2.0,
                )
            return False
        if is_obsolete():
            return False  # the answer to a question that nobody asks any more
        reasoning = replace(reasoning, timings={"image_age": image_age, **reasoning.timings})
        self.answers += 1
        self.last = reasoning
        rgb = next(iter(images.values()))
        self._publish(Answer(self.answers, task, reasoning, rgb, lead.header))
        self._desk.count_answer(task)
        return reasoning.valid

    def _read(self, frames: Mapping[str, Frame]) -> dict[str, np.ndarray] | None:
        images = {}
        for camera, frame in frames.items():
            try:
                # A copy of its own: torch wants it writable and in plain order.
                images[camera] = np.array(frame.pixels(), order="C")
            except ImageError as error:
                self._inputs.drop(camera, frame, str(error))
                return None
        return images
