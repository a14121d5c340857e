# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs the policy on the newest frames, in a thread of its own."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from std_msgs.msg import Header

from molmoact_ros.faults import DeviceLostError
from molmoact_ros.policy.frame_matcher import Frame, FrameMatcher, NoMatch
from molmoact_ros.policy.pacing import pause_after_answer
from molmoact_ros.policy.task import Task, TaskDesk
from molmoact_ros.policy.types import Observation, Reasoning
from molmoact_ros.ros.images import ImageError
from molmoact_ros.ros.node_thread import NodeThread
from molmoact_ros.ros.running import ClosableNode

from .cameras import CameraInputs

if TYPE_CHECKING:
    from molmoact_ros.policy import MolmoActPolicy

_POLL = 0.05  # s; longest wait of the thread before it looks at the clock again
_BLIND = 10.0  # s without usable frames after which who asked should know
GRACE = 2.0  # s after the start in which frames that have not arrived are no fault

# An answer is overdue after this many times the longest of the last ones, and not before.
_OVERDUE = 3.0
_ANSWERS_MEASURED = 16
_LEAST_OVERDUE = 10.0  # s
_FIRST_OVERDUE = 60.0  # s until the first answer, where nothing is measured yet
# With nothing but failures for so long and so often, only a new process can help: a GPU that is
# lost is lost for the process.
_HOPELESS = 30.0  # s
_HOPELESS_FAILURES = 5


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
        thread: The thread; an inference that fails is counted there, and the next one begins.
        answers: How many were given.
        last: The latest answer.
        waiting_for: Why there is no inference now; empty while there is one.
    """

    def __init__(
        self,
        node: ClosableNode,
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
            inputs: Counts frames that cannot be read.
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
        self.thread = NodeThread(node, "inference", self._pass)
        self.answers = 0
        self.last: Reasoning | None = None
        self.waiting_for = ""
        self._blind: tuple[int, float] | None = None  # request, and since when; s
        self._durations: deque[float] = deque(maxlen=_ANSWERS_MEASURED)  # s
        self._failures_before = 0  # the last answer
        self._failing_since = 0.0  # s of time.monotonic
        self._reset(-np.inf)

    def _reset(self, now: float) -> None:
        self._began = now
        self._answered = now  # or the start
        self._owed = now  # since then, an answer is owed
        self._started = self._pause_ends = -np.inf

    def blindness(self, order: int) -> str | None:
        """Return why a request has had no usable frames for a while, None where it has had."""
        blind = self._blind
        if blind is None or blind[0] != order or self._now() < blind[1] + _BLIND:
            return None
        return f"no usable images for {_BLIND:.0f} s: {self.waiting_for}"

    @property
    def age(self) -> float:
        """Time since the last answer, or since the start, s."""
        return max(self._now() - self._answered, 0.0)

    @property
    def silence(self) -> float:
        """Time for which there was an instruction and frames, but no answer, s."""
        return max(self._now() - self._owed, 0.0)

    @property
    def longest_silence(self) -> float:
        """From when on an answer is overdue, s: by the longest of the last ones."""
        durations = tuple(self._durations)
        if not durations:
            return _FIRST_OVERDUE
        return max(_OVERDUE * max(durations), _LEAST_OVERDUE) + self._period() + self._chunk_seconds

    @property
    def failures_since_answer(self) -> int:
        """How many inferences in a row have failed."""
        return self.thread.failures - self._failures_before

    def start(self) -> None:
        """Start the thread; it must not run."""
        self._reset(self._now())
        self._failures_before = self.thread.failures
        self.thread.start()

    def stop(self) -> None:
        """Tell the thread to end, which it does after the present pass; nothing comes after."""
        self.thread.stop()
        self._matcher.wake()

    def _pass(self) -> None:
        now = self._now()
        early = 0.0 <= now - self._started < self._period()
        if early or 0.0 < self._pause_ends - now <= self._chunk_seconds:
            self.thread.wait(_POLL)
            return
        task = self._desk.task
        if not task.instruction:
            self.waiting_for, self._owed = "instruction", now
            self.thread.wait(_POLL)
            return
        frames = self._matcher.take(now)
        if isinstance(frames, NoMatch):
            self._note(frames, task, now)
            self._matcher.wait(_POLL)
            return
        self.waiting_for = ""
        self._started = now
        try:
            valid = self._infer(task, frames)
        except DeviceLostError as error:
            self._node.fail(str(error))  # a new process may find it working
            raise
        except Exception:
            self._note_failure()
            raise  # the thread reports it and goes on
        if valid:
            answered = self._now()
            self._pause_ends = answered + pause_after_answer(
                self._chunk_seconds, answered - self._started
            )

    def _now(self) -> float:
        return float(self._node.get_clock().now().nanoseconds * 1e-9)

    def _note(self, missing: NoMatch, task: Task, now: float) -> None:
        self.waiting_for = missing.reason
        if self._blind is None or self._blind[0] != task.order or now < self._blind[1]:
            self._blind = task.order, now
        if missing.waiting:
            return
        self._owed = now  # nothing is: the cameras' status says what is missing
        if not 0.0 <= now - self._began < GRACE:
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
            return self.thread.is_stopping or task is not self._desk.task

        lead = frames[next(iter(frames))]
        image_age = self._now() - lead.stamp
        observation = Observation(images, task.instruction, task.hint, lead.stamp)
        try:
            reasoning = self._policy.infer(observation, is_obsolete)
        except Exception:
            if is_obsolete():
                return False
            raise
        if is_obsolete():
            return False  # the answer to a question that nobody asks any more
        reasoning = replace(reasoning, timings={"image_age": image_age, **reasoning.timings})
        self.answers += 1
        self.last = reasoning
        rgb = next(iter(images.values()))
        self._publish(Answer(self.answers, task, reasoning, rgb, lead.header))
        self._desk.count_answer(task)
        self._note_answer()
        return reasoning.valid

    def _note_failure(self) -> None:
        now = time.monotonic()
        if self.failures_since_answer == 0:
            self._failing_since = now
        elif (
            now > self._failing_since + _HOPELESS
            and self.failures_since_answer >= _HOPELESS_FAILURES
        ):
            self._node.fail(f"every inference has failed for {_HOPELESS:.0f} s")

    def _note_answer(self) -> None:
        self._answered = self._owed = self._now()
        self._durations.append(max(self._answered - self._started, 0.0))
        self._failures_before = self.thread.failures

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
