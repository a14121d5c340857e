# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the node starts with, what it refuses to start with, and a loop that fails."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import TwistStamped
from output_messages import ARM, ORDINARY, until
from sensor_msgs.msg import JointState

from molmoact_ros.control import Command, Executor, load_profile
from molmoact_ros.executor_node.loop import Pacer
from molmoact_ros.executor_node.node import ExecutorNode
from molmoact_ros.ros.running import StartError

ROBOTS = Path(__file__).parents[2] / "config" / "robots"


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


def test_joint_states_with_other_names_are_reported(
    domain: int, capfd: pytest.CaptureFixture[str]
) -> None:
    rclpy.init(args=[*ORDINARY, "-p", "robot:=ur_trajectory"], domain_id=domain)
    try:
        node = ExecutorNode()
        node.configure()
        topic = node.profile.topics.get("joint_states", "~/joint_states")
        publisher = node.create_publisher(JointState, topic, 1)
        first, *others = node.profile.action.joints
        message = JointState(name=["shoulder", *others], position=[0.0] * (1 + len(others)))
        log = ""

        def look() -> bool:
            nonlocal log
            publisher.publish(message)
            log += capfd.readouterr().err
            return f"without a position of {first} (action.joints)" in log

        until(node, look, "the warning")
        node.destroy_node()
    finally:
        rclpy.shutdown()


def test_collections_during_motion_have_next_to_nothing_to_visit(node: Any) -> None:
    executor = ExecutorNode()
    executor.trigger_configure()
    objects = len(gc.get_objects())
    executor.trigger_activate()
    assert len(gc.get_objects()) < 0.1 * objects, "of the imported modules, of ROS, of the node"
    left = type("Left", (), {})()
    left.itself = left
    gone = weakref.ref(left)
    del left
    gc.freeze()
    executor.trigger_deactivate()
    assert gone() is not None
    executor.trigger_activate()
    assert gone() is None, "what an activation leaves is collected by the next"
    executor.close()
    executor.destroy_node()
    gc.unfreeze()


def in_motion(node: Any) -> tuple[ExecutorNode, list[TwistStamped]]:
    """Start the executor, and return it and what it publishes once there is motion."""
    twists: list[TwistStamped] = []
    node.create_subscription(TwistStamped, "/molmoact_executor/twist", twists.append, 10)
    executor = ExecutorNode()
    executor.trigger_configure()
    executor.trigger_activate()
    until(node, lambda: twists, "motion")
    return executor, twists


def test_loop_that_fails_publishes_zero_and_ends_the_process(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, moving = threading.Event(), Command(1.0, np.full(6, 0.1), ARM.position)

    def step(self: Executor, now: float) -> Command:
        if broken.is_set():
            raise ZeroDivisionError
        return moving

    monkeypatch.setattr(Executor, "step", step)
    executor, twists = in_motion(node)
    broken.set()
    until(node, lambda: executor.has_failed, "the failure")
    until(node, lambda: twists[-1].twist.linear.x == 0.0, "zero as the last command")
    assert executor.exit_code == 1
    executor.close()
    executor.destroy_node()


def test_deactivated_while_the_loop_cannot_run_it_publishes_zero(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, released = threading.Event(), threading.Event()
    moving = Command(1.0, np.full(6, 0.1), ARM.position)

    def step(self: Executor, now: float) -> Command | None:
        return None if released.is_set() else moving

    def wait(self: Pacer, now: float) -> float:
        if stuck.is_set():
            released.wait()
        return 0.01

    monkeypatch.setattr(Executor, "step", step)
    monkeypatch.setattr(Pacer, "wait", wait)
    monkeypatch.setattr(Executor, "is_silent", property(lambda self: False))
    monkeypatch.setattr("molmoact_ros.executor_node.node._longest_ramp", lambda profile: 0.1)
    executor, twists = in_motion(node)
    loop = executor._thread
    assert loop is not None
    stuck.set()
    try:
        executor.trigger_deactivate()
        until(node, lambda: twists[-1].twist.linear.x == 0.0, "zero as the last command")
    finally:
        released.set()
        loop.join()
    executor.destroy_node()
