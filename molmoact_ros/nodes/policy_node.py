# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The policy as a ROS node: camera frames and an instruction in, reasoning and chunks out."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from std_msgs.msg import String

from molmoact_ros.msg import Trajectory2D
from molmoact_ros.reasoning import Observation, Reasoning
from molmoact_ros.ros import qos
from molmoact_ros.ros.answers import AnswerPublisher
from molmoact_ros.ros.cameras import CameraInputs
from molmoact_ros.ros.conversions import MessageError, trajectory_from_message
from molmoact_ros.ros.diagnostics import Diagnostics, Level, Status
from molmoact_ros.ros.frames import Frame, FrameMatcher, NoMatch
from molmoact_ros.ros.images import ImageError
from molmoact_ros.ros.pacing import pause_after_answer
from molmoact_ros.ros.parameters import declare_parameters, watch_parameters
from molmoact_ros.ros.policy_setup import (
    PolicyParameters,
    action_format,
    camera_topics,
    load_policy,
)
from molmoact_ros.ros.running import ClosableNode, StartError, run_node

_POLL = 0.05  # s; longest wait of the inference thread before it looks at the clock again
_JOIN = 4.0  # s that close() waits for a running inference


@dataclass(frozen=True)
class Task:
    """What the policy is asked to do; replaced as a whole, so that threads agree on it."""

    instruction: str = ""
    hint: np.ndarray | None = None


class PolicyNode(ClosableNode):
    """Feeds the policy in a thread of its own; callbacks only store what arrives.

    An inference starts as soon as the one before has ended and a frame has arrived that was not
    used yet, not before ``inference_period``, and not while a chunk is executed that will be over
    before the next answer (`ros.pacing`). It always takes the newest frames. While it runs, the
    executor follows the chunk before and later enters the new chunk at the step that belongs to
    the motion since its image.
    """

    def __init__(self) -> None:
        """Load the policy and start; refuses to start with a reason."""
        super().__init__("molmoact_policy")
        self._settings = declare_parameters(self, PolicyParameters)
        self._policy = load_policy(self._settings)
        topics = camera_topics(self._settings, self._policy)
        form = action_format(self._settings, self._policy)
        rows = self._settings.execute_steps or self._policy.profile.answer.rows or 1
        self._chunk_seconds = rows * form.step_period
        self.get_logger().info("loaded, warming up")
        self._policy.warm_up(len(topics))
        self._task = Task(self._settings.instruction)
        if self._task.instruction and (reason := self._refusal(self._task.instruction)):
            raise StartError(f"parameter 'instruction': {reason}")
        watch_parameters(self, self._settings, self._take_parameters)

        self._lead = next(iter(topics))
        self._matcher = FrameMatcher(
            tuple(topics), self._settings.max_camera_skew, self._settings.max_image_age
        )
        self._inputs = CameraInputs(self, topics, self._settings.image_transport, self._matcher)
        self._outputs = AnswerPublisher(self, form, self._policy.relative_depth)
        self.create_subscription(String, "~/instruction", self._on_instruction, qos.LATCHED)
        self.create_subscription(Trajectory2D, "~/trajectory_hint", self._on_hint, qos.RESULT)
        self._sequence = 0
        self._failures = 0
        self._last: Reasoning | None = None
        self._waiting_for = "instruction"
        Diagnostics(
            self,
            {"cameras": self._camera_status, "model": self._model_status,
             "inference": self._inference_status},
        )  # fmt: skip
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()
        self.get_logger().info(
            f"ready: {self._settings.checkpoint}, profile '{self._policy.profile.name}', "
            f"cameras {', '.join(topics)}"
        )

    def close(self) -> None:
        """Stop the inference thread; it ends after the pass that is running."""
        self._stopping.set()
        self._matcher.wake()
        self._thread.join(_JOIN)

    # The task.

    def _on_instruction(self, message: String) -> None:
        reason = self._refusal(message.data) if message.data else None
        if reason is not None:
            # Going on with the old instruction would not be what the sender wants either.
            self.get_logger().error(f"instruction refused, stopping: {reason}")
        self._follow("" if reason is not None else message.data)

    def _on_hint(self, message: Trajectory2D) -> None:
        try:
            points = trajectory_from_message(message)
        except MessageError as error:
            self.get_logger().warning(f"trajectory_hint dropped: {error}")
            return
        self._task = replace(self._task, hint=points if len(points) else None)

    def _take_parameters(self, parameters: PolicyParameters) -> str | None:
        if parameters.instruction != self._settings.instruction:
            if parameters.instruction and (reason := self._refusal(parameters.instruction)):
                return f"parameter 'instruction': {reason}"
            self._follow(parameters.instruction)
        self._settings = parameters
        return None

    def _follow(self, instruction: str) -> None:
        if instruction != self._task.instruction:
            self.get_logger().info(f"instruction: '{instruction}'")
            self._task = replace(self._task, instruction=instruction)

    def _refusal(self, instruction: str) -> str | None:
        try:
            self._policy.processor.check_instruction(instruction)
        except ValueError as error:
            return str(error)
        return None

    # Inference thread.

    def _run(self) -> None:
        started, pause_ends = -np.inf, -np.inf
        while not self._stopping.is_set():
            now = self._now()
            early = 0.0 <= now - started < self._settings.inference_period
            if early or 0.0 < pause_ends - now <= self._chunk_seconds:
                self._stopping.wait(_POLL)
                continue
            task = self._task
            if not task.instruction:
                self._waiting_for = "instruction"
                self._stopping.wait(_POLL)
                continue
            frames = self._matcher.take(now)
            if isinstance(frames, NoMatch):
                self._note(frames)
                self._matcher.wait(_POLL)
                continue
            self._waiting_for = ""
            started = now
            if self._infer(task, frames):
                answered = self._now()
                pause_ends = answered + pause_after_answer(self._chunk_seconds, answered - started)

    def _now(self) -> float:
        return float(self.get_clock().now().nanoseconds * 1e-9)

    def _note(self, missing: NoMatch) -> None:
        self._waiting_for = missing.reason
        if not missing.waiting:
            self.get_logger().warning(f"no inference: {missing.reason}", throttle_duration_sec=5.0)

    def _infer(self, task: Task, frames: Mapping[str, Frame]) -> bool:
        """Answer for these frames; return whether actions to be executed were published."""
        images = self._read(frames)
        if images is None:
            return False
        def outdated() -> bool:
            """Whether nobody asks for this answer any more."""
            return self._stopping.is_set() or task is not self._task

        stamp = frames[self._lead].stamp
        observation = Observation(images, task.instruction, task.hint, stamp)
        try:
            reasoning = self._policy.infer(observation, outdated)
        except Exception as error:  # noqa: BLE001 - a node that dies is worse than any of them
            if outdated():
                return False
            self._failures += 1
            self.get_logger().error(
                f"inference failed: {type(error).__name__}: {error}", throttle_duration_sec=2.0
            )
            return False
        if outdated():
            return False
        self._sequence += 1
        self._last = reasoning
        self._outputs.publish(
            reasoning,
            task.instruction,
            images[self._lead],
            frames[self._lead].header,
            self._sequence,
        )
        if not reasoning.valid:
            self.get_logger().warning(
                f"answer {self._sequence} is not trusted: {'; '.join(reasoning.problems)}",
                throttle_duration_sec=2.0,
            )
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

    # Diagnostics.

    def _camera_status(self) -> Status:
        waiting = self._waiting_for
        fault = bool(waiting) and waiting.startswith("camera ")
        values = {
            f"{kind} {camera}": count
            for kind, counts in (
                ("received", self._inputs.received),
                ("dropped", self._inputs.dropped),
            )
            for camera, count in counts.items()
        }
        return Status(Level.WARN if fault else Level.OK, waiting if fault else "ok", values)

    def _model_status(self) -> Status:
        parameters = self._settings
        values = {
            "checkpoint": parameters.checkpoint,
            "profile": self._policy.profile.name,
            "unnorm_key": self._policy.stats.key,
            "device": parameters.device,
            "dtype": parameters.dtype,
        }
        return Status(Level.OK, "loaded", values)

    def _inference_status(self) -> Status:
        last, task = self._last, self._task
        values: dict[str, object] = {"answers": self._sequence, "failures": self._failures}
        if not task.instruction:
            return Status(Level.OK, "waiting for an instruction", values)
        if last is None:
            return Status(Level.OK, "no answer yet", values)
        values["forward_passes"] = last.forward_passes
        values |= {f"seconds {stage}": f"{value:.3f}" for stage, value in last.timings.items()}
        if last.problems:
            return Status(Level.WARN, "; ".join(last.problems), values)
        return Status(Level.OK, f"following '{task.instruction}'", values)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node."""
    return run_node(PolicyNode, args)
