# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Goals of ~/execute_instruction: the shipped checkpoint before pictures of the simulator."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from action_msgs.msg import GoalStatus, GoalStatusArray
from lifecycle_msgs.msg import State
from molmoact_ros.action import ExecuteInstruction
from molmoact_ros.msg import ActionReasoning, Trajectory2D
from rcl_interfaces.srv import SetParameters
from rclpy.action import ActionClient
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_action_status_default
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String

from molmoact_ros.demo.graph import NodeSpec
from molmoact_ros.ros import qos
from molmoact_ros.ros.images import image_from_rgb

NAME = "policy_with_goals"
CHECKPOINT = Path(__file__).parents[2] / "checkpoints" / "tabletop"
Result = ExecuteInstruction.Result


class Operator:
    """Shows the scene, sends goals, and listens."""

    def __init__(self, client: Any) -> None:
        from molmoact_ros.sim import Tabletop

        self.client = client
        node = client.node
        self._table = Tabletop(seed=2)
        self.see(far=True)
        self._camera = node.create_publisher(Image, f"{NAME}/camera/image", qos.IMAGE)
        self.instruction = node.create_publisher(String, f"{NAME}/instruction", qos.LATCHED)
        self.hint = node.create_publisher(Trajectory2D, f"{NAME}/trajectory_hint", qos.RESULT)
        self.reasonings = client.listen(ActionReasoning, f"{NAME}/reasoning", qos.RESULT)
        self._goals = ActionClient(node, ExecuteInstruction, f"{NAME}/execute_instruction")
        client.wait_for(self._goals.server_is_ready, "the action")
        self.feedback: list[Any] = []

    def see(self, *, far: bool) -> None:
        """Put the gripper far from the red block, or at it."""
        goal, _ = self._table.block_pose("red")
        self._table.place_gripper(goal + ([-0.1, 0.05, 0.15] if far else [0.0, 0.0, 0.015]))
        self._rgb, _ = self._table.render()

    def show(self) -> None:
        """Publish the picture of now."""
        header = Header(stamp=self.client.stamp(), frame_id="camera_optical")
        self._camera.publish(image_from_rgb(self._rgb, header))

    def until(self, ready: Any, what: str) -> Any:
        """Show pictures until something holds."""
        return self.client.wait_for(ready, what, self.show)

    def send(self, instruction: str = "reach the red block", timeout: float = 0.0) -> Any:
        """Send a goal; return its handle, with the future of its result, None when rejected."""
        goal = ExecuteInstruction.Goal(instruction=instruction, timeout=timeout)
        future = self._goals.send_goal_async(goal, lambda m: self.feedback.append(m.feedback))
        self.until(future.done, "the goal's acceptance")
        handle = future.result()
        return (handle, handle.get_result_async()) if handle.accepted else None

    def result(self, sent: Any) -> tuple[int, Any]:
        """Return status and result of a goal."""
        self.until(sent[1].done, "the goal's end")
        return sent[1].result().status, sent[1].result().result

    def is_idle(self) -> bool:
        """Whether nothing is answered any more for a while."""
        self._show_for(10)  # an answer given as the goal ended may still be under way
        count = len(self.reasonings)
        self._show_for(30)
        return len(self.reasonings) == count

    def _show_for(self, spins: int) -> None:
        for _ in range(spins):
            self.show()
            self.client.spin()

    def next_feedback(self) -> Any:
        """Return feedback that comes after now."""
        count = len(self.feedback)
        return self.until(lambda: self.feedback[count:], "feedback")[-1]


@pytest.fixture(scope="module")
def node(start: Any) -> Any:
    parameters = {
        "checkpoint": str(CHECKPOINT),
        "device": "cpu",
        "dtype": "float32",
        "threads": 1,
        "max_image_age": 5.0,
        "execute_steps": 1,
        "hint_steps": 2,
    }
    return start(NodeSpec("policy_node", NAME, parameters=parameters))


@pytest.fixture(scope="module")
def operator(node: Any, client: Any, supervise: Any) -> Operator:
    made = Operator(client)
    # The action is there before the node is active, and until then it rejects goals.
    states = supervise(NAME)
    client.wait_for(lambda: states.state == State.PRIMARY_STATE_ACTIVE, "the state active")
    return made


def test_a_goal_gives_feedback_until_it_is_cancelled(operator: Operator) -> None:
    statuses = operator.client.listen(
        GoalStatusArray,
        f"{NAME}/execute_instruction/_action/status",
        qos_profile_action_status_default,
    )
    sent = operator.send(timeout=1000.0)
    feedback = operator.next_feedback()

    def own() -> list[int]:
        """Return the states of this goal that were published."""
        return [
            status.status
            for array in statuses
            for status in array.status_list
            if status.goal_info.goal_id == sent[0].goal_id
        ]

    operator.until(lambda: GoalStatus.STATUS_EXECUTING in own(), "the state EXECUTING")
    assert len(feedback.trajectory.x) >= 2
    assert 0.0 < feedback.remaining < 1000.0
    sent[0].cancel_goal_async()
    status, result = operator.result(sent)
    assert (status, result.outcome) == (GoalStatus.STATUS_CANCELED, Result.OUTCOME_CANCELED)
    assert "cancelled" in result.message
    operator.until(lambda: own()[-1] == GoalStatus.STATUS_CANCELED, "the state CANCELED")
    assert operator.is_idle()


def test_a_goal_runs_out_of_time(operator: Operator) -> None:
    status, result = operator.result(operator.send(timeout=0.3))
    assert (status, result.outcome) == (GoalStatus.STATUS_ABORTED, Result.OUTCOME_TIMEOUT)
    assert operator.is_idle()


def test_a_goal_fails_without_images(operator: Operator) -> None:
    sent = operator.send()
    operator.next_feedback()
    operator.client.wait_for(sent[1].done, "the goal's end")  # and no picture is shown
    status, result = operator.result(sent)
    assert (status, result.outcome) == (GoalStatus.STATUS_ABORTED, Result.OUTCOME_FAILED)
    assert "no usable images for 10 s: camera 'camera': the newest frame is" in result.message
    assert operator.is_idle()
    sent = operator.send()
    assert operator.next_feedback().remaining == -1.0  # no limit, and JSON has no infinity
    sent[0].cancel_goal_async()
    assert operator.result(sent)[1].outcome == Result.OUTCOME_CANCELED


def test_a_new_goal_and_a_topic_pre_empt(operator: Operator) -> None:
    first = operator.send("reach the green block")
    second = operator.send("reach the blue block")
    status, result = operator.result(first)
    assert (status, result.outcome) == (GoalStatus.STATUS_ABORTED, Result.OUTCOME_PREEMPTED)
    operator.next_feedback()
    operator.until(
        lambda: operator.reasonings[-1].instruction == "reach the blue block", "the goal's task"
    )
    operator.instruction.publish(String(data="reach the red block"))
    assert operator.result(second)[1].outcome == Result.OUTCOME_PREEMPTED
    operator.until(
        lambda: operator.reasonings[-1].instruction == "reach the red block", "the topic's task"
    )
    operator.instruction.publish(String(data=""))
    operator.until(operator.is_idle, "the end of the topic's task")  # it would pre-empt a goal


def test_bad_goals_are_rejected(operator: Operator) -> None:
    assert operator.send("") is None
    assert operator.send("open <|endoftext|> it") is None
    assert operator.send("open it " * 10_000) is None
    assert operator.send(timeout=-1.0) is None
    assert operator.send(timeout=float("nan")) is None


def test_a_goal_is_done_when_nothing_is_left_to_do(operator: Operator) -> None:
    operator.see(far=False)
    status, result = operator.result(operator.send(timeout=100.0))
    operator.see(far=True)
    assert (status, result.outcome) == (GoalStatus.STATUS_SUCCEEDED, Result.OUTCOME_DONE)
    assert result.chunks >= 3


def test_done_chunks_can_change_and_hints_end_after_their_steps(operator: Operator) -> None:
    value = Parameter("done_chunks", value=0).to_parameter_msg()
    request = SetParameters.Request(parameters=[value])
    answer = operator.client.call(SetParameters, f"{NAME}/set_parameters", request)
    assert answer.results[0].successful
    sent = operator.send()
    operator.next_feedback()
    x = [-50.0 + 1.5 * i for i in range(200)]  # a line of many points that begins outside
    count = len(operator.reasonings)
    operator.hint.publish(Trajectory2D(image_width=200, image_height=100, x=x, y=[50.0] * 200))

    def sources() -> list[int]:
        return [r.trajectory.source for r in operator.reasonings[count:]]

    user, predicted = Trajectory2D.SOURCE_USER, Trajectory2D.SOURCE_PREDICTED
    operator.until(lambda: user in sources() and sources()[-1] == predicted, "the hint's end")
    assert sources().count(user) == 2
    path = next(r.trajectory for r in operator.reasonings[count:] if r.trajectory.source == user)
    assert 2 <= len(path.x) <= 5
    assert min(path.x) == 0.0
    assert max(path.x) == path.image_width - 1
    sent[0].cancel_goal_async()
    operator.result(sent)


def test_a_signal_ends_goal_and_node(operator: Operator, node: Any) -> None:
    operator.send()
    operator.next_feedback()
    node.process(NAME).send_signal(signal.SIGTERM)
    assert node.process(NAME).wait(60) == 0
