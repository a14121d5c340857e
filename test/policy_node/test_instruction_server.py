# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Goals are followed in the order in which they were accepted, whichever thread runs first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, TypeAlias

import pytest
from molmoact_ros.action import ExecuteInstruction
from rclpy.action import GoalResponse

from molmoact_ros.policy.task import TaskDesk
from molmoact_ros.policy_node.instruction_server import InstructionServer

Goal: TypeAlias = ExecuteInstruction.Goal
Result: TypeAlias = ExecuteInstruction.Result


@pytest.fixture
def desk() -> TaskDesk:
    return TaskDesk()


@pytest.fixture
def server(client: Any, desk: TaskDesk) -> InstructionServer:
    made = InstructionServer(client.node, desk, lambda text: None, lambda: 0)
    made.open()
    return made


def execute(server: InstructionServer, goal: Goal) -> Result:
    handle = SimpleNamespace(request=goal, is_cancel_requested=False, abort=lambda: None)
    return server.execute(handle)


def test_the_later_goal_wins_even_when_the_earlier_one_is_executed_later(
    server: InstructionServer, desk: TaskDesk
) -> None:
    first, second = Goal(instruction="open"), Goal(instruction="close", timeout=0.01)
    for goal in (first, second):
        assert server.on_goal(goal) == GoalResponse.ACCEPT
    assert execute(server, first).outcome == Result.OUTCOME_PREEMPTED
    assert desk.task.instruction == "close"
    assert execute(server, second).outcome == Result.OUTCOME_TIMEOUT
    assert desk.task.instruction == ""


def test_a_goal_without_images_fails_with_the_reason(
    server: InstructionServer, desk: TaskDesk
) -> None:
    goal = Goal(instruction="look")
    assert server.on_goal(goal) == GoalResponse.ACCEPT
    desk.note_frames(desk.task, 0.0, "dark")
    result = execute(server, goal)
    assert result.outcome == Result.OUTCOME_FAILED
    assert result.message == "no usable images for 10 s: dark"


def test_a_goal_whose_thread_fails_is_followed_no_more(
    server: InstructionServer, desk: TaskDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("broken")

    goal = Goal(instruction="fail")
    assert server.on_goal(goal) == GoalResponse.ACCEPT
    monkeypatch.setattr(desk, "blindness", fail)
    with pytest.raises(RuntimeError):  # rclpy logs it and aborts the goal
        execute(server, goal)
    assert desk.task.instruction == ""
