# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs the policy on the newest frames, in a thread of its own."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from rclpy.node import Node

from molmoact_ros.faults import DeviceLostError, RemotePolicyError
from molmoact_ros.policy.frame_matcher import Frame, FrameMatcher, NoMatch
from molmoact_ros.policy.interface import Policy
from molmoact_ros.policy.pacing import Pacing
from molmoact_ros.policy.pixels import ImageError
from molmoact_ros.policy.task import PolicyTask, TaskDesk
from molmoact_ros.policy.types import Observation, Reasoning
from molmoact_ros.ros.conversions import clock_seconds
from molmoact_ros.ros.node_thread import NodeThread
from molmoact_ros.ros.running import ClosableNode

from .answers import TaskAnswer

_POLL = 0.05  # s; longest wait of the thread before it looks at the clock again
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


class Inference:
    """Feeds the policy; callbacks elsewhere only store what arrives.

    An inference starts as soon as the one before has ended and a frame has arrived that was not
    used yet, not before `inference_period`, and not while a chunk is executed that will be over
    before the next answer (`Pacing`). It always takes the newest frames. While it runs, the
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
        policy: Policy,
        desk: TaskDesk,
        matcher: FrameMatcher,
        pacing: Pacing,
        publish: Callable[[TaskAnswer], None],
    ) -> None:
        """Prepare; `start` starts.

        Args:
            node: Its clock and its logger are used.
            policy: Answers.
            desk: Holds the task, and notes whether there are frames for it.
            matcher: Gives frames; its first camera is the one of the trajectory.
            pacing: When to infer.
            publish: Takes the answers.
        """
        self._node = node
        self._policy = policy
        self._desk = desk
        self._matcher = matcher
        self._pacing = pacing
        self._publish = publish
        self.thread = NodeThread(node, "inference", self._pass)
        self.answers = 0
        self.last: Reasoning | None = None
        self.waiting_for = ""
        self._durations: deque[float] = deque(maxlen=_ANSWERS_MEASURED)  # s
        self._failures_before = 0  # the last answer
        self._failing_since = 0.0  # s of time.monotonic
        self._began = -np.inf
        self._answered = -np.inf  # or the start
        self._owed = -np.inf  # since then, an answer is owed

    @property
    def age(self) -> float:
        """Time since the last answer, or since the start, s."""
        return max(clock_seconds(self._node) - self._answered, 0.0)

    @property
    def silence(self) -> float:
        """Time for which there was an instruction and frames, but no answer, s."""
        return max(clock_seconds(self._node) - self._owed, 0.0)

    @property
    def longest_silence(self) -> float:
        """From when on an answer is overdue, s: by the longest of the last ones."""
        durations = tuple(self._durations)
        if not durations:
            return _FIRST_OVERDUE
        return max(_OVERDUE * max(durations), _LEAST_OVERDUE) + self._pacing.longest_wait

    @property
    def failures_since_answer(self) -> int:
        """How many inferences in a row have failed."""
        return self.thread.failures - self._failures_before

    def start(self) -> None:
        """Start the thread; it must not run."""
        self._began = self._answered = self._owed = clock_seconds(self._node)
        self._pacing.reset()
        self._failures_before = self.thread.failures
        self.thread.start()

    def stop(self) -> None:
        """Let the thread end after its present pass, which publishes nothing any more."""
        self.thread.stop()
        self._matcher.wake()

    def _pass(self) -> None:
        now = clock_seconds(self._node)
        if self._pacing.is_early(now):
            self.thread.wait(_POLL)
            return
        task = self._desk.task
        if not task.instruction:
            self.waiting_for, self._owed = "instruction", now
            self.thread.wait(_POLL)
            return
        frames = self._matcher.take(now)
        if isinstance(frames, NoMatch):
            self._note_missing(frames, task, now)
            self._matcher.wait(_POLL)
            return
        self.waiting_for = ""
        self._pacing.started = now
        try:
            if self._infer(task, frames):
                self._pacing.note_chunk(clock_seconds(self._node))
        except DeviceLostError as error:
            self._node.fail(str(error))  # a new process may find it working
            raise
        except RemotePolicyError:
            self._failing_since = time.monotonic()  # a new process would not reach it either
            raise
        except Exception:
            self._note_failure()
            raise  # the thread reports it and goes on

    def _note_missing(self, missing: NoMatch, task: PolicyTask, now: float) -> None:
        if not missing.waiting:
            self._owed = now  # nothing is: the cameras' status reports what is missing
        self.waiting_for = missing.reason
        self._desk.note_frames(task, now, missing.reason)
        if missing.waiting:
            return
        if not 0.0 <= now - self._began < GRACE:
            self._node.get_logger().warning(
                f"no inference: {missing.reason}", throttle_duration_sec=5.0
            )

    def _infer(self, task: PolicyTask, frames: Mapping[str, Frame]) -> bool:
        """Answer for these frames; return whether actions to be executed were published."""
        try:
            images = self._matcher.read(frames)
        except ImageError as error:
            log_dropped(self._node, error)
            return False
        lead = frames[next(iter(frames))]
        now = clock_seconds(self._node)
        image_age = now - lead.stamp
        self._desk.note_frames(task, now)

        def is_obsolete() -> bool:
            return self.thread.is_stopping or task is not self._desk.task

        left = self._pacing.seconds_left(now)
        observation = Observation(images, task.instruction, task.hint, lead.stamp, left)
        try:
            reasoning = self._policy.infer(observation, is_obsolete)
        except Exception:
            if is_obsolete():
                return False
            raise
        if is_obsolete():
            return False  # the task has changed
        reasoning = replace(reasoning, timings={"image_age": image_age, **reasoning.timings})
        self.answers += 1
        self.last = reasoning
        rgb = next(iter(images.values()))
        self._publish(TaskAnswer(self.answers, task, reasoning, rgb, lead.header))
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
        self._answered = self._owed = clock_seconds(self._node)
        self._durations.append(max(self._answered - self._pacing.started, 0.0))
        self._failures_before = self.thread.failures


def log_dropped(node: Node, reason: ImageError) -> None:
    """Log a frame that cannot be read, at most every 2 s."""
    node.get_logger().warning(f"frame dropped: {reason}", throttle_duration_sec=2.0)
