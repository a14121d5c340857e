# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Everything of the policy node that exists while it is configured."""

from __future__ import annotations

from collections.abc import Callable

from std_msgs.msg import String

from molmoact_ros.answer.standstill import is_at_rest
from molmoact_ros.answer.trajectory import clipped, simplified
from molmoact_ros.msg import Trajectory2D
from molmoact_ros.policy.frame_matcher import FrameMatcher
from molmoact_ros.policy.interface import Policy
from molmoact_ros.policy.pacing import Pacing
from molmoact_ros.policy.task import TaskDesk
from molmoact_ros.ros import qos
from molmoact_ros.ros.conversions import MessageError, trajectory_from_message
from molmoact_ros.ros.running import ClosableNode, StartError

from .answers import AnswerPublisher, TaskAnswer
from .cameras import CameraInputs
from .inference import Inference
from .instruction_server import InstructionServer
from .parameters import PolicyParameters, action_format, camera_topics


class PolicySession:
    """A loaded policy with its inputs and outputs.

    Attributes:
        policy: The policy.
        inputs: The cameras.
        outputs: Publishes the answers.
        inference: The thread that asks the policy.
    """

    def __init__(
        self,
        node: ClosableNode,
        policy: Policy,
        desk: TaskDesk,
        settings: Callable[[], PolicyParameters],
    ) -> None:
        """Subscribe, advertise and wait for `start`.

        Args:
            node: The policy node.
            policy: Loaded and warmed up.
            desk: Holds the task.
            settings: Returns the present parameters.

        Raises:
            StartError: A parameter does not fit the policy.
        """
        fixed = settings()
        topics = camera_topics(fixed, policy.profile)
        form = action_format(fixed, policy.profile, policy.stats)
        rows = fixed.execute_steps or policy.profile.answer.rows or 1
        self._node = node
        self._desk = desk
        self._delta_actions = form.action_space.endswith("delta")
        self.policy = policy
        if desk.task.instruction and (reason := self.refusal(desk.task.instruction)):
            raise StartError(f"parameter 'instruction': {reason}")
        matcher = FrameMatcher(tuple(topics), fixed.max_camera_skew, fixed.max_image_age)
        self.inputs = CameraInputs(
            node, topics, fixed.image_transport, matcher, fixed.max_image_pixels
        )
        self.outputs = AnswerPublisher(node, form, policy.relative_depth)
        self._goals = InstructionServer(node, desk, self.refusal, lambda: settings().done_chunks)
        pacing = Pacing(rows * form.step_period, lambda: settings().inference_period)
        self.inference = Inference(node, policy, desk, matcher, pacing, self._publish)
        qos.subscribe_latched(node, String, "~/instruction", self._on_instruction)
        node.create_subscription(Trajectory2D, "~/trajectory_hint", self._on_hint, qos.RESULT)

    def start(self) -> None:
        """Infer, and accept goals."""
        self.inputs.start()
        self.inference.start()
        self._goals.open()

    def stop(self) -> None:
        """End inference after the present pass, and the present goal as failed."""
        self._goals.close()
        self.inference.stop()
        self.inputs.stop()

    def close(self) -> None:
        """Free the policy and its memory, after `stop` and when nothing infers any more."""
        if not self.inference.thread.is_running:
            self.policy.close()

    def follow(self, instruction: str) -> None:
        """Follow an instruction of topic or parameter; the same one again changes nothing."""
        if instruction != self._desk.task.instruction:
            self._node.get_logger().info(f"instruction: '{instruction}'")
            self._desk.follow(instruction)

    def refusal(self, instruction: str) -> str | None:
        """Return why the policy cannot be asked for this, or None."""
        try:
            self.policy.check_instruction(instruction)
        except ValueError as error:
            return str(error)
        return None

    def _on_instruction(self, message: String) -> None:
        reason = self.refusal(message.data) if message.data else None
        if reason is not None:
            # Going on with the old instruction would not be what the sender wants either.
            self._node.get_logger().error(
                f"~/instruction: instruction refused, stopping: {reason}",
                throttle_duration_sec=2.0,
            )
        self.follow("" if reason is not None else message.data)

    def _on_hint(self, message: Trajectory2D) -> None:
        try:
            points = trajectory_from_message(message)
            if len(points) == 1:
                raise MessageError("one point is no path")
        except MessageError as error:
            self._node.get_logger().warning(
                f"trajectory_hint dropped: {error}", throttle_duration_sec=2.0
            )
            return
        self._desk.steer(simplified(clipped(points)))

    def _publish(self, answer: TaskAnswer) -> None:
        """Publish an answer; called by the inference thread."""
        reasoning = answer.reasoning
        trajectory = self.outputs.publish(answer)
        if not reasoning.valid:
            self._node.get_logger().warning(
                f"answer {answer.sequence} is not trusted: {'; '.join(reasoning.problems)}",
                throttle_duration_sec=2.0,
            )
        at_rest = reasoning.valid and is_at_rest(
            reasoning.actions,
            self.policy.stats,
            reasoning.trajectory if reasoning.trajectory_source == "predicted" else None,
            delta_actions=self._delta_actions,
        )
        self._goals.take_answer(answer.task.order, reasoning.valid, at_rest, trajectory)
