# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The action ~/execute_instruction: one instruction until it is done, cancelled or out of time.

A goal sets the instruction like the topic and the parameter do, and the last request is followed:
a new goal, or another instruction by topic or parameter, preempts the goal. When a goal ends in
any way, nothing is asked for any more, so that no chunk follows and the executor ramps down.

There is no detector of success. DONE means that `done_chunks` valid answers in a row asked for no
motion: see `molmoact_ros.answer.standstill`.
"""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node

from molmoact_ros.action import ExecuteInstruction
from molmoact_ros.msg import Trajectory2D
from molmoact_ros.policy.task import TaskDesk
from molmoact_ros.ros.conversions import clock_seconds

_POLL = 0.05  # s
_NO_LIMIT = -1.0  # of the feedback's `remaining`; JSON has no infinity
Goal: TypeAlias = ExecuteInstruction.Goal
Result: TypeAlias = ExecuteInstruction.Result


@dataclass
class _FollowedGoal:
    """One goal since it was accepted; of its own thread alone, but for the queue."""

    order: int  # of the request, see `PolicyTask`
    deadline: float  # by the node's clock; infinite without a timeout
    # Of each answer: valid, at rest, the intended path.
    answers: queue.SimpleQueue[tuple[bool, bool, Trajectory2D]] = field(
        default_factory=queue.SimpleQueue
    )
    chunks: int = 0
    at_rest: int = 0


class InstructionServer:
    """Follows one goal at a time; every goal waits in a thread of the node's executor."""

    def __init__(
        self,
        node: Node,
        desk: TaskDesk,
        refusal: Callable[[str], str | None],
        done_chunks: Callable[[], int],
    ) -> None:
        """Offer the action; goals are rejected until `open`.

        Args:
            node: Offers it; must spin in several threads.
            desk: Takes the instruction, and reports whether there are images for it.
            refusal: Returns why an instruction cannot be followed, or None.
            done_chunks: Returns how many answers at rest end a goal; 0: never.
        """
        self._node = node
        self._desk = desk
        self._refusal = refusal
        self._done_chunks = done_chunks
        self._closed = threading.Event()
        self._closed.set()
        self._followed: dict[int, _FollowedGoal] = {}  # by the identity of the goal's message
        ActionServer(
            node,
            ExecuteInstruction,
            "~/execute_instruction",
            self.execute,
            goal_callback=self.on_goal,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
            callback_group=ReentrantCallbackGroup(),
        )

    def open(self) -> None:
        """Accept goals."""
        self._closed.clear()

    def close(self) -> None:
        """End the present goal as failed, and reject goals."""
        self._closed.set()

    def take_answer(self, order: int, valid: bool, at_rest: bool, trajectory: Trajectory2D) -> None:
        """Hand an answer to the goal that it belongs to; called by the inference thread.

        Args:
            order: Request that was answered, see `PolicyTask`.
            valid: Whether its actions may be executed.
            at_rest: Whether it asks for no motion.
            trajectory: The intended path.
        """
        for progress in tuple(self._followed.values()):
            if progress.order == order:
                progress.answers.put((valid, at_rest, trajectory))

    def on_goal(self, goal: Goal) -> GoalResponse:
        """Accept a goal and ask for its instruction, or log why not."""
        reason = self._goal_refusal(goal)
        if reason is None:
            # Here, because goals may be executed in another order than they were accepted.
            deadline = clock_seconds(self._node) + goal.timeout if goal.timeout > 0.0 else math.inf
            order = self._desk.follow(goal.instruction)
            self._followed[id(goal)] = _FollowedGoal(order, deadline)
            self._node.get_logger().info(f"goal: '{goal.instruction}'")
            return GoalResponse.ACCEPT
        # The protocol has no place for it.
        self._node.get_logger().error(f"goal rejected: {reason}")
        return GoalResponse.REJECT

    def _goal_refusal(self, goal: Goal) -> str | None:
        if self._closed.is_set():
            return "the node is not active"
        if not goal.instruction.strip():
            return "instruction is empty"
        if not (math.isfinite(goal.timeout) and goal.timeout >= 0.0):
            return f"timeout is {goal.timeout}; it must be 0 (no limit) or more"
        return self._refusal(goal.instruction)

    def execute(self, handle: ServerGoalHandle) -> Result:
        """Follow an accepted goal to its end."""
        goal: Goal = handle.request
        progress = self._followed[id(goal)]
        outcome: tuple[int, str] | None = None
        try:
            while outcome is None:
                outcome = self._take(handle, progress) or self._end(handle, progress)
        finally:  # also when an exception aborts the goal: then nothing is asked for any more
            self._desk.leave(progress.order)
            del self._followed[id(goal)]
        code, message = outcome
        self._node.get_logger().info(f"goal '{goal.instruction}' ended: {message}")
        if code == Result.OUTCOME_DONE:
            handle.succeed()
        elif code == Result.OUTCOME_CANCELED:
            handle.canceled()
        else:
            handle.abort()
        return Result(outcome=code, message=message, chunks=progress.chunks)

    def _take(self, handle: ServerGoalHandle, progress: _FollowedGoal) -> tuple[int, str] | None:
        """Wait a moment for an answer and report it; return the outcome when it was the last."""
        try:
            valid, at_rest, trajectory = progress.answers.get(timeout=_POLL)
        except queue.Empty:
            return None
        progress.chunks += valid
        progress.at_rest = progress.at_rest + 1 if valid and at_rest else 0
        feedback = ExecuteInstruction.Feedback(step=progress.chunks, trajectory=trajectory)
        if math.isfinite(progress.deadline):
            feedback.remaining = max(0.0, progress.deadline - clock_seconds(self._node))
        else:
            feedback.remaining = _NO_LIMIT
        handle.publish_feedback(feedback)
        if 0 < self._done_chunks() <= progress.at_rest:
            return Result.OUTCOME_DONE, f"done: {progress.at_rest} answers asked for no motion"
        return None

    def _end(self, handle: ServerGoalHandle, progress: _FollowedGoal) -> tuple[int, str] | None:
        """Return the outcome when something else than an answer ends the goal."""
        if handle.is_cancel_requested:
            return Result.OUTCOME_CANCELED, f"cancelled after {progress.chunks} chunks"
        if self._closed.is_set():
            return Result.OUTCOME_FAILED, "the node stopped"
        if self._desk.task.order != progress.order:
            return Result.OUTCOME_PREEMPTED, "another instruction came"
        if clock_seconds(self._node) >= progress.deadline:
            return Result.OUTCOME_TIMEOUT, f"timeout after {progress.chunks} chunks"
        reason = self._desk.blindness(progress.order, clock_seconds(self._node))
        return None if reason is None else (Result.OUTCOME_FAILED, reason)
