# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Commands as messages on real topics, and what needs packages that are not installed here."""

from __future__ import annotations

import dataclasses
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import PoseStamped, TwistStamped
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from molmoact_ros.control import Command, Executor, Pose, Preview, RobotProfile, load_profile
from molmoact_ros.control.output_settings import GripperOutput
from molmoact_ros.executor_node.node import ExecutorNode
from molmoact_ros.executor_node.outputs import create_gripper, create_outputs
from molmoact_ros.executor_node.servo import create_servos
from molmoact_ros.ros.optional import MissingPackage
from molmoact_ros.ros.running import StartError
from molmoact_ros.yaml_config import build

PATIENCE = 60.0  # s; the machine may be busy
# An executor in this process must not give real-time priority to all of it.
ORDINARY = ["--ros-args", "-p", "realtime_priority:=0"]
ROBOTS = Path(__file__).parents[2] / "config" / "robots"


@pytest.fixture
def without_moveit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Imitate a machine without moveit_msgs and control_msgs."""
    for package in ("moveit_msgs", "control_msgs"):
        for part in ("msg", "srv", "action"):
            monkeypatch.setitem(sys.modules, f"{package}.{part}", None)


@pytest.fixture(scope="module")
def domain(new_domain: Any) -> int:
    return int(new_domain())


@pytest.fixture
def node(domain: int) -> Iterator[Any]:
    rclpy.init(args=ORDINARY, domain_id=domain)
    node = rclpy.create_node("outputs")
    yield node
    node.destroy_node()
    rclpy.shutdown()


def profile(outputs: dict[str, Any], joints: bool = False) -> RobotProfile:
    limit = {"speed": 1.0, "acceleration": 1.0, "max_step": 1.0, "max_following_error": 1.0}
    if joints:
        action = {"space": "joint_delta", "columns": ["a", "b"], "joints": ["a", "b"]}
        limits: dict[str, Any] = {
            "joints": {name: {"min": -1.0, "max": 1.0} | limit for name in ("a", "b")}
        }
    else:
        action = {"space": "ee_delta", "columns": ["x", "y", "z"]}
        limits = {"linear": limit, "workspace": {"min": [0, 0, 0], "max": [1, 1, 1]}}
    keys = {"robot": "r", "frame": "base", "action": action, "limits": limits, "outputs": outputs}
    return build(RobotProfile, keys)


def until(node: Any, ready: Callable[[], Any], what: str, tick: Callable[[], Any] = bool) -> None:
    """Spin, calling `tick`, until `ready()` is true."""
    deadline = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < deadline, f"waited {PATIENCE} s for {what}"
        tick()
        rclpy.spin_once(node, timeout_sec=0.05)


def received(node: Any, kind: type, topic: str, publish: Callable[[], Any]) -> Any:
    """Return the first message on a topic."""
    messages: list[Any] = []
    subscription = node.create_subscription(kind, topic, messages.append, 10)
    until(node, lambda: messages, topic, publish)
    node.destroy_subscription(subscription)
    return messages[0]


ARM = Command(
    12.5,
    np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
    Pose(np.array([0.5, 0.6, 0.7]), np.array([0.0, 0.0, 1.0, 0.0])),
)
JOINTS = Command(
    12.5, np.array([0.1, -0.2]), np.array([0.3, 0.4]),
    preview=Preview(
        times=np.array([0.05, 0.1]),
        positions=np.array([[0.31, 0.38], [0.32, 0.37]]),
        velocities=np.array([[0.1, -0.2], [0.0, 0.0]]),
    ),
)  # fmt: skip


def test_twist_and_pose_at_once(node: Any) -> None:
    outputs = create_outputs(node, profile({"twist": {}, "pose": {}}))

    def publish() -> None:
        for output in outputs:
            output.publish(ARM)

    twist = received(node, TwistStamped, "/outputs/twist", publish)
    assert (twist.header.stamp.sec, twist.header.stamp.nanosec) == (12, 500_000_000)
    assert twist.header.frame_id == "base"
    assert (twist.twist.linear.y, twist.twist.angular.z) == (0.2, 0.6)
    pose = received(node, PoseStamped, "/outputs/pose", publish)
    assert (pose.pose.position.z, pose.pose.orientation.z) == (0.7, 1.0)
    for output in outputs:
        output.flush(1.0)


def test_joint_trajectory(node: Any) -> None:
    [output] = create_outputs(node, profile({"joint_trajectory": {}}, joints=True))
    message = received(
        node, JointTrajectory, "/outputs/joint_trajectory", lambda: output.publish(JOINTS)
    )
    assert message.joint_names == ["a", "b"] and message.header.stamp.sec == 12
    first, last = message.points
    assert (list(first.positions), list(first.velocities)) == ([0.31, 0.38], [0.1, -0.2])
    assert first.time_from_start.nanosec == 50_000_000
    assert list(last.velocities) == [0.0, 0.0] and last.time_from_start.nanosec == 100_000_000


@pytest.mark.parametrize(
    ("interface", "values"), [("position", [0.3, 0.4]), ("velocity", [0.1, -0.2])]
)
def test_forward(node: Any, interface: str, values: Any) -> None:
    [output] = create_outputs(node, profile({"forward": {"interface": interface}}, joints=True))
    message = received(node, Float64MultiArray, "/outputs/forward", lambda: output.publish(JOINTS))
    assert list(message.data) == values


def test_topics_of_the_driver_and_a_remapping_that_takes_their_place(domain: int) -> None:
    keys = profile({"twist": {}, "pose": {}})
    keys = dataclasses.replace(keys, topics={"twist": "driver/twist", "pose": "/driver/pose"})
    hand = GripperOutput(name="driver/gripper")
    for arguments, names in (
        ([], ["/left/driver/twist", "/driver/pose", "/left/driver/gripper"]),
        (["-r", "~/twist:=/other"], ["/other", "/driver/pose", "/left/driver/gripper"]),
        (["-r", "~/gripper:=/hand"], ["/left/driver/twist", "/driver/pose", "/hand"]),
        (["-r", "/driver/pose:=/p"], ["/left/driver/twist", "/p", "/left/driver/gripper"]),
    ):
        rclpy.init(args=[*ORDINARY, "-r", "__ns:=/left", *arguments], domain_id=domain)
        try:
            node = rclpy.create_node("outputs")
            before = list(node.publishers)
            create_outputs(node, keys)
            create_gripper(node, hand)
            made = [publisher for publisher in node.publishers if publisher not in before]
            assert [publisher.topic_name for publisher in made] == names
        finally:
            rclpy.shutdown()


# Grippers.


def gripper(value: float | None, final: bool = False) -> Command:
    return Command(1.0, np.zeros(6), ARM.position, gripper=value, final=final)


def test_forward_gripper_in_the_drivers_unit(node: Any) -> None:
    output = create_gripper(node, GripperOutput(open=0.04, closed=0.0))
    message = received(
        node, Float64MultiArray, "/outputs/gripper", lambda: output.publish(gripper(0.25))
    )
    assert list(message.data) == pytest.approx([0.03])


def test_trajectory_gripper_publishes_on_change_only(node: Any) -> None:
    output = create_gripper(node, GripperOutput(type="joint_trajectory", joint="finger"))
    messages: list[JointTrajectory] = []
    node.create_subscription(JointTrajectory, "/outputs/gripper", messages.append, 10)
    ends = itertools.cycle((0.0, 1.0))
    until(node, lambda: messages, "a message", lambda: output.publish(gripper(next(ends))))

    def until_at(value: float) -> None:
        until(node, lambda: messages[-1].points[0].positions[0] == value, str(value))

    output.publish(gripper(0.5))  # all before it have been received, too
    until_at(0.5)
    messages.clear()
    for value, is_due in (
        (None, False), (0.0, True), (0.0, False), (0.02, False), (0.06, True), (0.08, False),
        (0.99, True), (1.0, True), (1.0, False),
    ):  # fmt: skip
        output.publish(gripper(value))
        if is_due and value is not None:
            until(node, lambda: messages, "a message")
            until_at(value)
    output.publish(gripper(0.5, final=True))
    output.publish(gripper(0.7))
    until_at(0.7)
    assert [m.points[0].positions[0] for m in messages] == [0.0, 0.06, 0.99, 1.0, 0.7]
    assert messages[0].joint_names == ["finger"]


@pytest.mark.parametrize(
    ("outputs", "joints", "words"),
    [
        ({"joint_jog": {}}, True, "outputs.joint_jog: needs the package control_msgs"),
        (
            {"twist": {"servo_command_type_service": "/servo/switch"}}, False,
            "needs the package moveit_msgs; install it with: sudo apt install "
            "ros-$ROS_DISTRO-moveit-msgs",
        ),
    ],
)  # fmt: skip
def test_missing_package_is_an_error_that_names_what_to_install(
    node: Any, outputs: Any, joints: Any, words: str, without_moveit: None
) -> None:
    with pytest.raises(MissingPackage) as error:
        create_outputs(node, profile(outputs, joints))
        create_servos(node, profile(outputs, joints))
    assert words in str(error.value)


def test_missing_gripper_action_names_the_apt_package(node: Any, without_moveit: None) -> None:
    with pytest.raises(MissingPackage, match="apt install ros-.ROS_DISTRO-control-msgs"):
        create_gripper(node, GripperOutput(type="gripper_command"))


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Install a module for a message package that is not here."""

    def stand_in(module: str, **contents: Any) -> None:
        package = ModuleType(module.partition(".")[0])
        monkeypatch.setitem(sys.modules, package.__name__, package)
        monkeypatch.setitem(sys.modules, module, SimpleNamespace(**contents))

    return stand_in


class FakeActions:
    """An action client whose server may be missing."""

    def __init__(self, ready: bool) -> None:
        self.ready = ready
        self.goals: list[Any] = []

    def server_is_ready(self) -> bool:
        """As rclpy's."""
        return self.ready

    def send_goal_async(self, goal: Any) -> None:
        """As rclpy's."""
        self.goals.append(goal)


@pytest.mark.parametrize(
    ("kind", "name", "position"),
    [
        ("gripper_command", "GripperCommand", 0.0),
        ("parallel_gripper_command", "ParallelGripperCommand", [0.0]),
    ],
)
def test_gripper_action_waits_for_its_server(
    node: Any, stand_in: Any, monkeypatch: pytest.MonkeyPatch, kind: str, name: str, position: Any
) -> None:
    goal = type("Goal", (), {"__init__": lambda self: setattr(self, "command", SimpleNamespace())})
    stand_in("control_msgs.action", **{name: SimpleNamespace(Goal=goal)})
    client = FakeActions(ready=False)
    monkeypatch.setattr("rclpy.action.ActionClient", lambda *_: client)
    output = create_gripper(
        node, GripperOutput(type=kind, joint="j", open=0.04, closed=0.0, max_effort=20.0)
    )
    output.publish(gripper(1.0))
    assert client.goals == [] and "action server is missing" in str(output.problem())
    client.ready = True
    output.publish(gripper(1.0))
    output.publish(gripper(1.0))
    assert [goal.command.position for goal in client.goals] == [position]
    assert output.problem() is None


# With the real messages, where control_msgs is installed.


def test_joint_jog(node: Any) -> None:
    messages = pytest.importorskip("control_msgs.msg", reason="control_msgs is not on PyPI")
    [output] = create_outputs(node, profile({"joint_jog": {}}, joints=True))
    message = received(
        node, messages.JointJog, "/outputs/joint_jog", lambda: output.publish(JOINTS)
    )
    assert (message.header.stamp.sec, message.header.frame_id) == (12, "base")
    assert list(message.joint_names) == ["a", "b"] and list(message.velocities) == [0.1, -0.2]
    assert not message.displacements, "Servo takes velocities only"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("gripper_command", "GripperCommand"),
        ("parallel_gripper_command", "ParallelGripperCommand"),
    ],
)
def test_gripper_action_reaches_its_server(node: Any, kind: str, name: str) -> None:
    actions = pytest.importorskip("control_msgs.action", reason="control_msgs is not on PyPI")
    from rclpy.action import ActionServer

    action, goals = getattr(actions, name), []

    def execute(handle: Any) -> Any:
        goals.append(handle.request.command)
        handle.succeed()
        return action.Result()

    output = create_gripper(
        node,
        GripperOutput(
            type=kind, name="hand/gripper_cmd", joint="finger", open=0.04, closed=0.0,
            max_effort=20.0,
        ),
    )  # fmt: skip
    output.publish(gripper(1.0))
    assert "action server is missing" in str(output.problem())
    server = ActionServer(node, action, "hand/gripper_cmd", execute)
    deadline = time.monotonic() + PATIENCE
    for count, value in ((1, 1.0), (2, 0.25)):
        while len(goals) < count and time.monotonic() < deadline:
            output.publish(gripper(value))
            rclpy.spin_once(node, timeout_sec=0.05)
    assert output.problem() is None and len(goals) == 2, "each change once"
    if kind == "gripper_command":
        assert [(goal.position, goal.max_effort) for goal in goals] == [(0.0, 20.0), (0.03, 20.0)]
    else:
        assert [list(goal.position) for goal in goals] == [[0.0], [0.03]]
        assert list(goals[0].name) == ["finger"] and list(goals[0].effort) == [20.0]
    server.destroy()


# The node refuses to start with a reason.


@pytest.mark.parametrize(
    ("robot", "words"),
    [
        ("nobody", "no profile 'nobody'; there are: franka_servo"),
        ("/nowhere/robot.yaml", "cannot be read"),
        ("franka_servo", "needs the package moveit_msgs"),
        ("BROKEN", "limits.linear.sped: unknown key"),
        ("BAD_TOPIC", "Invalid topic name"),
    ],
)
def test_node_does_not_start_with_a_wrong_robot(
    tmp_path: Path, domain: int, robot: Any, words: str, without_moveit: None
) -> None:
    changes = {
        "BROKEN": ("speed: 0.3", "sped: 0.3"),
        "BAD_TOPIC": ("outputs:", "topics: {twist: no good}\noutputs:"),
    }
    if robot in changes:
        path = tmp_path / "robot.yaml"
        path.write_text((ROBOTS / "tabletop.yaml").read_text().replace(*changes[robot]))
        robot = str(path)
    rclpy.init(args=[*ORDINARY, "-p", f"robot:={robot}"], domain_id=domain)
    try:
        with pytest.raises(StartError) as error:
            ExecutorNode().configure()
        assert "parameter 'robot'" in str(error.value) and words in str(error.value)
    finally:
        rclpy.shutdown()


def test_parameters_change_the_profile(domain: int) -> None:
    changes = ("execute_steps:=3", "require_approval:=true", "action_scale:=0.5",
               "min_confidence:=0.4")  # fmt: skip
    arguments = [part for change in changes for part in ("-p", change)]
    rclpy.init(args=[*ORDINARY, *arguments], domain_id=domain)
    try:
        node = ExecutorNode()
        node.configure()
        execution = node.profile.execution
        assert (execution.execute_steps, execution.require_approval) == (3, True)
        assert (node.profile.action.scale, execution.min_confidence) == (0.5, 0.4)
        assert execution.rate == load_profile(ROBOTS / "tabletop.yaml").execution.rate
        node.close()
        node.destroy_node()
    finally:
        rclpy.shutdown()


def test_scale_of_absolute_actions_is_refused(domain: int) -> None:
    robot = str(ROBOTS / "ur_trajectory.yaml")
    arguments = ["-p", f"robot:={robot}", "-p", "action_scale:=0.5"]
    rclpy.init(args=[*ORDINARY, *arguments], domain_id=domain)
    try:
        with pytest.raises(StartError, match="parameter 'action_scale': is only for delta spaces"):
            ExecutorNode().configure()
    finally:
        rclpy.shutdown()


def test_loop_that_fails_publishes_zero_and_ends_the_process(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, moving = threading.Event(), Command(1.0, np.full(6, 0.1), ARM.position)

    def step(self: Executor, now: float) -> Command:
        if broken.is_set():
            raise ZeroDivisionError
        return moving

    monkeypatch.setattr(Executor, "step", step)
    twists: list[TwistStamped] = []
    node.create_subscription(TwistStamped, "/molmoact_executor/twist", twists.append, 10)
    executor = ExecutorNode()
    executor.trigger_configure()
    executor.trigger_activate()
    until(node, lambda: twists, "motion")
    broken.set()
    until(node, lambda: executor.has_failed, "the failure")
    until(node, lambda: twists[-1].twist.linear.x == 0.0, "zero as the last command")
    assert executor.exit_code == 1
    executor.close()
    executor.destroy_node()
