# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What MoveIt Servo reports stops the arm. Servo itself is a stand-in that moves nothing."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from molmoact_ros.msg import ExecutorStatus
from rcl_interfaces.msg import Log
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import Int8

TABLETOP = Path(__file__).parents[2] / "config" / "robots" / "tabletop.yaml"
READY, EXECUTING = ExecutorStatus.STATE_READY, ExecutorStatus.STATE_EXECUTING
OUTPUTS = {
    "Int8": "{servo_status_topic: servo_node/status}",
    "ServoStatus": "{servo_command_type_service: servo_node/switch_command_type}",
}


class StandIn:
    """Servo's node: publishes a status at 50 Hz, answers for its parameters and its switch."""

    def __init__(self, domain: int, kind: str) -> None:
        self.diagnostics: dict[str, tuple[str, dict[str, str]]] = {}
        self.logs: list[str] = []
        self.command_types: list[int] = []
        self._kind, self._halt = kind, (0, "No warnings")
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self._node = node = rclpy.create_node("servo_node", context=self._context)
        node.declare_parameter("moveit_servo.command_in_type", "speed_units")
        node.declare_parameter("moveit_servo.scale.linear", 0.4)
        node.declare_parameter("moveit_servo.scale.rotational", 0.3)
        if kind == "Int8":
            self._message: Callable[..., Any] = lambda code, _: Int8(data=code)
            message_type: Any = Int8
        else:
            from moveit_msgs.msg import ServoStatus
            from moveit_msgs.srv import ServoCommandType

            self._message = lambda code, words: ServoStatus(code=code, message=words)
            message_type = ServoStatus
            node.create_service(ServoCommandType, "~/switch_command_type", self._switch)
        self._status = node.create_publisher(message_type, "~/status", 1)
        node.create_timer(0.02, lambda: self._status.publish(self._message(*self._halt)))
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        node.create_subscription(Log, "/rosout", lambda log: self.logs.append(log.msg), 100)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def report(self, code: int, words: str) -> None:
        """Publish this status from now on."""
        self._halt = (code, words)

    def shown(self, name: str) -> str:
        """Return a value of the executor's diagnostics, empty where it is not there."""
        return self.diagnostics.get("executor", ("", {}))[1].get(name, "")

    def close(self) -> None:
        """End."""
        self._executor.shutdown()
        self._thread.join()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def _switch(self, request: Any, response: Any) -> Any:
        self.command_types.append(request.command_type)
        response.success = True
        return response

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {item.key: item.value for item in status.values}
            self.diagnostics[status.name.rsplit(": ", 1)[-1]] = (status.message, values)


@pytest.fixture(params=["Int8", "ServoStatus"])
def servo_robot(
    request: Any, new_lab: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Any, StandIn]]:
    """Return the tabletop robot behind Servo: of Humble (Int8), and newer (ServoStatus)."""
    kind = request.param
    if kind == "ServoStatus":
        pytest.importorskip("moveit_msgs.msg", reason="moveit_msgs is not on PyPI")
    else:  # for the executor's process: a machine without moveit_msgs
        (tmp_path / "moveit_msgs").mkdir()
        (tmp_path / "moveit_msgs" / "__init__.py").write_text("raise ImportError")
        path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        monkeypatch.setenv("PYTHONPATH", path)
    robot = tmp_path / "robot.yaml"
    robot.write_text(TABLETOP.read_text().replace("twist: {}", f"twist: {OUTPUTS[kind]}"))
    lab = new_lab(robot=robot)
    stand_in = StandIn(int(lab.environment["ROS_DOMAIN_ID"]), kind)
    lab.prepare()
    yield lab, stand_in
    stand_in.close()


def test_halts_stop_the_arm_and_slow_downs_are_logged(
    servo_robot: Any, measured: Callable, request: Any
) -> None:
    lab, servo = servo_robot
    int8 = request.node.callspec.params["servo_robot"] == "Int8"
    assert set(servo.command_types) == (set() if int8 else {1}), "switched to twists"
    lab.policy()
    for code, words in (
        (2, "Very close to a singularity, emergency stop"),
        (4 if int8 else 5, "Collision detected, emergency stop"),
        (5 if int8 else 6, "Close to a joint bound (position or velocity), halting"),
    ):
        servo.report(0, "No warnings")
        lab.until_moving()
        stopped, refused = lab.count("stopped_fault"), lab.count("refused_unhealthy")
        servo.report(code, words)
        since = time.monotonic()
        measured("Servo's halt -> rest", lab.until_rest() - since)
        at_rest = f"at rest: MoveIt Servo: {words}"
        lab.until(lambda reason=at_rest: lab.status.reason == reason, "the reason")
        assert lab.status.state == READY
        assert lab.count("stopped_fault") == stopped + 1
        lab.until(lambda n=refused: lab.count("refused_unhealthy") > n, "the refusal")
        assert lab.speed == 0.0
    lab.until(lambda: servo.shown("MoveIt Servo") == words, "diagnostics")
    assert servo.diagnostics["executor"][0] == f"MoveIt Servo: {words}"
    slower = "Moving closer to a singularity, decelerating"
    servo.report(1, slower)
    lab.until(lambda: f"MoveIt Servo: {slower}" in servo.logs, "the log")
    lab.until_moving()
    low = "scale.rotational is 0.3 rad/s, limits.angular.speed of the robot profile is 1"
    if not int8:  # of Humble, which does not bound speed_units, they are not compared
        lab.until(lambda: low in servo.shown("MoveIt Servo's scales"), "the scales")
    assert sum(low in log for log in servo.logs) == (0 if int8 else 1)
