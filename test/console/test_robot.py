# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the console subscribes to and when, and what it asks for, against real nodes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("molmoact_ros.msg")

import rclpy  # noqa: E402
from lifecycle_msgs.srv import GetState  # noqa: E402
from molmoact_ros.msg import ActionReasoning, ExecutorStatus, Trajectory2D  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import Empty, Header, String  # noqa: E402
from std_srvs.srv import SetBool, Trigger  # noqa: E402

from molmoact_ros.console.desk import Desk  # noqa: E402
from molmoact_ros.console.parameters import ConsoleParameters  # noqa: E402
from molmoact_ros.console.robot import Robot  # noqa: E402
from molmoact_ros.console.state import missing  # noqa: E402
from molmoact_ros.ros import qos  # noqa: E402
from molmoact_ros.ros.images import image_from_rgb  # noqa: E402
from molmoact_ros.ros.running import ClosableNode  # noqa: E402

POLICY, EXECUTOR = "/molmoact_policy", "/molmoact_executor"
ROOT = Path(__file__).parents[2]


class Rig:
    """A console's robot and, beside it, what stands for policy and executor."""

    def __init__(self, domain: int, namespace: str = "") -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        place = {"namespace": namespace, "context": self.context}
        self.node = ClosableNode("molmoact_console", **place)
        self.other = rclpy.create_node("other", **place)
        self.calls: list[str] = []
        self.answers = True
        self.received: dict[str, list[Any]] = {}
        self._executor = SingleThreadedExecutor(context=self.context)
        for each in (self.node, self.other):
            self._executor.add_node(each)

    def robot(self, **parameters: Any) -> Robot:
        """Return the console's side."""
        return Robot(self.node, ConsoleParameters(**parameters))

    def stand_for_the_robot(self) -> None:
        """Create what policy, executor and a camera have."""
        other = self.other
        self.status = other.create_publisher(ExecutorStatus, "molmoact_executor/status", 10)
        self.reasoning = other.create_publisher(ActionReasoning, "molmoact_policy/reasoning", 10)
        self.image = other.create_publisher(Image, "camera/image", qos.IMAGE)
        other.create_service(GetState, "molmoact_policy/get_state", self._state)
        for name in ("halt", "clear", "approve"):
            self._serve(Trigger, name)
        self._serve(SetBool, "enable")
        for kind, topic in (
            (String, "molmoact_policy/instruction"),
            (Trajectory2D, "molmoact_policy/trajectory_hint"),
            (Empty, "molmoact_executor/operator_heartbeat"),
        ):
            messages = self.received.setdefault(topic.rpartition("/")[2], [])
            other.create_subscription(kind, topic, messages.append, qos.STATE)

    def _serve(self, kind: type, name: str) -> None:
        def answer(request: Any, response: Any) -> Any:
            self.calls.append(name if kind is Trigger else f"{name} {request.data}")
            response.success, response.message = name != "approve", f"{name} was called"
            return response

        self.other.create_service(kind, f"molmoact_executor/{name}", answer)

    def _state(self, _: GetState.Request, response: GetState.Response) -> GetState.Response:
        response.current_state.label = "active"
        return response

    def until(self, ready: Callable[[], Any], what: str) -> Any:
        """Spin until ``ready()`` is true and return its value."""
        end = time.monotonic() + 60.0
        while time.monotonic() < end:
            if value := ready():
                return value
            self._executor.spin_once(timeout_sec=0.02)
        raise AssertionError(f"waited for {what}")

    def spin(self, seconds: float) -> None:
        """Spin for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.02)

    def subscriptions(self) -> set[str]:
        """Return the topics that the console subscribes to."""
        pairs = self.node.get_subscriber_names_and_types_by_node(
            self.node.get_name(), self.node.get_namespace()
        )
        return {name for name, _ in pairs} - {"/parameter_events", "/clock"}

    def publishers(self) -> set[str]:
        """Return the topics that the console publishes."""
        pairs = self.node.get_publisher_names_and_types_by_node(
            self.node.get_name(), self.node.get_namespace()
        )
        return {name for name, _ in pairs} - {"/parameter_events", "/rosout"}

    def close(self) -> None:
        """End everything."""
        self._executor.shutdown()
        self.node.destroy_node()
        self.other.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def rig(ros_environment: dict[str, str], new_domain: Callable[[], int]) -> Iterator[Rig]:
    made = Rig(new_domain())
    yield made
    made.close()


def test_it_subscribes_to_what_is_documented_while_a_page_is_open_and_to_nothing_else(
    rig: Rig,
) -> None:
    text = (ROOT / "docs" / "topics.md").read_text(encoding="utf-8")
    section = text.split("## molmoact_console\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `/?(\S+)` \| \S+ \| (\w+) ", section, re.MULTILINE)
    subscribed = {f"/{name}" for name, direction in rows if direction == "subscribes"}
    published = {f"/{name}" for name, direction in rows if direction == "publishes"}
    robot = rig.robot(image_topics=("camera/image",))
    expected = published - {"/diagnostics"}  # that is the node's
    rig.until(lambda: rig.publishers() == expected, "publishers")
    assert rig.subscriptions() == set()
    for _ in range(3):
        robot.watch(True)
        rig.until(lambda: rig.subscriptions() == subscribed | {"/camera/image"}, "subscriptions")
        robot.watch(False)
        rig.until(lambda: rig.subscriptions() == set(), "none")


def test_read_only_there_is_nothing_to_command_with(rig: Rig) -> None:
    robot = rig.robot(operators=False)
    desk = Desk(robot, operators=False)
    rig.spin(0.2)
    assert rig.publishers() == set()
    assert rig.node.get_client_names_and_types_by_node("molmoact_console", "/") == []
    assert "read only" in desk.halt()
    desk.control.open("a", "page 1", time.monotonic())
    for refusal in (desk.enable("a", True), desk.clear("a"), desk.instruct("a", "go"),
                    desk.steer("a", [(0.0, 0.0), (90.0, 9.0)], (252, 252))):  # fmt: skip
        assert refusal == "read only"


@pytest.mark.parametrize("namespace", ["", "/left"])
def test_what_comes_is_known_and_what_is_asked_for_arrives(
    ros_environment: dict[str, str], new_domain: Callable[[], int], namespace: str
) -> None:
    rig = Rig(new_domain(), namespace)
    rig.stand_for_the_robot()
    robot = rig.robot(image_topics=("camera/image",))
    assert robot.executor == f"{namespace}{EXECUTOR}"
    robot.watch(True)

    def is_known() -> bool:
        rig.status.publish(ExecutorStatus(state=ExecutorStatus.STATE_READY, reason="waiting"))
        rig.reasoning.publish(ActionReasoning(instruction="go"))
        header = Header(stamp=rig.node.get_clock().now().to_msg())
        rig.image.publish(image_from_rgb(np.zeros((20, 30, 3), np.uint8), header))
        known = robot.snapshot()
        return bool(
            known.executor and known.answers and known.policy_state and known.cameras[0].number
        )

    rig.until(is_known, "everything")
    rig.until(lambda: is_known() and robot.snapshot().graph.executors == 1, "the graph")
    names = ("/enable", "/halt", "/clear", "/approve")
    clients = [client for client in rig.node.clients if client.srv_name.endswith(names)]
    rig.until(lambda: all(client.service_is_ready() for client in clients), "services")
    topics = ("molmoact_policy/instruction", "molmoact_policy/trajectory_hint")
    ends = [p for p in rig.node.publishers if p.topic_name.endswith(topics)]
    assert (len(clients), len(ends)) == (4, 2)
    rig.until(lambda: all(end.get_subscription_count() for end in ends), "subscriptions")
    robot.enable(True)
    for name in ("clear", "approve", "halt"):
        robot.trigger(name)
    rig.until(lambda: len(rig.calls) == 4, "four calls")
    assert sorted(rig.calls) == ["approve", "clear", "enable True", "halt"]
    rig.until(lambda: sum(r.success is not None for r in robot.snapshot().replies) == 4, "replies")
    refused = [r for r in robot.snapshot().replies if r.success is False]
    assert [(r.request, r.message) for r in refused] == [("approve", "approve was called")]
    robot.instruct("reach the red block")
    robot.steer([(1.0, 2.0), (30.0, 4.0)], (252, 252))

    def has_arrived() -> bool:
        robot.beat()  # best effort: one alone can be lost
        return all(rig.received.values())

    rig.until(has_arrived, "instruction, line and beat")
    assert rig.received["instruction"][0].data == "reach the red block"
    line = rig.received["trajectory_hint"][0]
    assert (list(line.x), line.source) == ([1.0, 30.0], Trajectory2D.SOURCE_USER)
    rig.close()


def test_what_is_not_there_is_a_refusal_and_not_a_wait(rig: Rig) -> None:
    robot = rig.robot()
    desk = Desk(robot, operators=True)
    robot.watch(True)
    assert desk.halt() == ""
    robot.instruct("go")
    rig.until(lambda: len(robot.snapshot().replies) == 2, "two refusals")
    halt, instruction = robot.snapshot().replies
    assert (halt.success, halt.message) == (False, f"{EXECUTOR}/halt is not there")
    assert instruction.message == f"nobody subscribes to {POLICY}/instruction"
    desk.take(robot.snapshot())
    assert desk.halt_request is not None and "is not there" in desk.halt_request.failure


def test_a_flood_of_requests_is_cut_off(rig: Rig) -> None:
    robot = rig.robot()
    for _ in range(10_000):
        robot.trigger("halt")
    rig.until(lambda: any(r.request == "halt" for r in robot.snapshot().replies), "a refusal")
    rig.spin(0.3)
    assert len(robot.snapshot().replies) <= 9


def test_the_only_camera_of_the_policy_is_found_and_of_several_none(rig: Rig) -> None:
    policy = rclpy.create_node("molmoact_policy", context=rig.context)
    policy.create_subscription(Image, "front/image", lambda _: None, qos.IMAGE)
    robot = rig.robot()
    robot.watch(True)
    rig.until(lambda: robot.snapshot().graph.cameras == ("/front/image",), "the camera")
    policy.create_subscription(Image, "wrist/image", lambda _: None, qos.IMAGE)
    rig.until(lambda: robot.snapshot().graph.note, "a sentence")
    assert "name them in the parameter image_topics" in robot.snapshot().graph.note
    policy.destroy_node()


def test_two_executors_are_reported(rig: Rig) -> None:
    rig.stand_for_the_robot()
    second = rig.other.create_publisher(ExecutorStatus, "molmoact_executor/status", 10)
    robot = rig.robot(image_topics=("camera/image",))
    robot.watch(True)

    def is_reported() -> bool:
        second.publish(ExecutorStatus())
        sentences = missing(robot.snapshot(), POLICY, EXECUTOR)
        return f"2 nodes publish {EXECUTOR}/status: stop all but one." in sentences

    rig.until(is_reported, "the sentence")


def test_only_the_page_in_control_commands_and_any_halts(rig: Rig) -> None:
    robot = rig.robot()
    desk = Desk(robot, operators=True)
    now = time.monotonic()
    desk.control.open("a", "page 1", now)
    desk.control.open("b", "page 2", now)
    assert desk.instruct("b", "go") == "page 1 is in control"
    assert desk.enable("b", True) == "page 1 is in control"
    assert desk.halt() == ""
    assert desk.instruct("a", "x" * 1001) == "1001 characters, at most 1000 are allowed"
    assert desk.instruct("a", "  go   on \n") == ""
    assert (desk.sent, desk.history) == ("go on", ["go on"])
    assert "too short" in desk.steer("a", [(5.0, 5.0), (7.0, 5.0)], (252, 252))
    assert desk.approve("a", None, robot.snapshot()) == "no chunk waits for approval"
    desk.control.close("a")
    assert desk.instruct("b", "go") == "take control first"
