# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The demonstration's own node: commands the graph and keeps what it publishes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import Point, PoseArray, PoseStamped
from rcl_interfaces.srv import SetParameters
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header, String
from std_srvs.srv import SetBool, Trigger

from molmoact_ros.msg import ActionReasoning, ExecutorStatus, Trajectory2D
from molmoact_ros.policy.pixels import rgb_from_image
from molmoact_ros.ros import qos
from molmoact_ros.ros.conversions import trajectory_to_message
from molmoact_ros.ros.discovery import wait_until_known

from .graph import EXECUTOR, POLICY, SIMULATOR

_ANSWER = 30.0  # s that a service may take
_HEALTHY = 15.0  # s that the executor may find something unhealthy
_SPIN = 0.05  # s
_SETTLE = 0.3  # s after a reset until what is still on its way from the old scene has come


class GraphError(RuntimeError):
    """The graph does not answer, or refuses; the text names what."""


class Watcher:
    """A client of the running graph.

    Attributes:
        node: The client's own node.
        reasonings: Answers that nobody has taken yet, oldest first.
        pictures: Camera pictures RGB uint8 `[H, W, 3]` likewise.
        depth: The latest depth picture, None before the first.
        gripper: Position `[3]`, m, None before the first.
        blocks: Positions `[n, 3]`, m, in the order of the simulator's colours.
        fingers: m of each finger from the middle, None before the first.
        status: The executor's report, None before the first.
    """

    def __init__(self, check: Callable[[], None], namespace: str = "") -> None:
        """Subscribe to everything that the demonstration shows.

        Args:
            check: Called again and again; raises when a node has ended.
            namespace: Of the graph.
        """
        self._check = check
        self.node = Node("demo", namespace=namespace or None)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._clients: dict[str, Client] = {}
        self.reasonings: list[ActionReasoning] = []
        self.pictures: list[np.ndarray] = []
        self.depth: np.ndarray | None = None
        self.gripper: np.ndarray | None = None
        self.blocks: np.ndarray | None = None
        self.fingers: float | None = None
        self.status: ExecutorStatus | None = None
        subscribe = self.node.create_subscription
        subscribe(ActionReasoning, f"{POLICY}/reasoning", self.reasonings.append, qos.RESULT)
        subscribe(Image, f"{POLICY}/depth_image", self._take_depth, qos.PICTURE)
        subscribe(Image, f"{SIMULATOR}/camera/image", self._take_picture, qos.IMAGE)
        subscribe(PoseStamped, f"{SIMULATOR}/ee_pose", self._take_pose, qos.COMMAND)
        subscribe(PoseArray, f"{SIMULATOR}/blocks", self._take_blocks, qos.COMMAND)
        subscribe(JointState, "joint_states", self._take_joints, qos.STATE)
        subscribe(ExecutorStatus, f"{EXECUTOR}/status", self._take_status, qos.RESULT)
        advertise = self.node.create_publisher
        self._instruction = advertise(String, f"{POLICY}/instruction", qos.LATCHED)
        self._hint = advertise(Trajectory2D, f"{POLICY}/trajectory_hint", qos.RESULT)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.remove_node(self.node)
        self.node.destroy_node()

    def spin(self) -> None:
        """Take what has arrived; raises when a node has ended."""
        self._executor.spin_once(timeout_sec=_SPIN)
        self._check()

    def wait_for(self, what: str, ready: Callable[[], bool], timeout: float) -> None:
        """Spin until something holds.

        Raises:
            GraphError: It did not within `timeout` s.
        """
        end = time.monotonic() + timeout
        while not ready():
            if time.monotonic() > end:
                raise GraphError(f"waited {timeout:.0f} s for {what}")
            self.spin()

    def wait_for_nodes(self, timeout: float = 120.0, needs_policy: bool = True) -> None:
        """Wait until simulator and, where it is part of the graph, policy publish."""
        self.wait_for("the simulator's pictures", lambda: bool(self.pictures), timeout)
        self.wait_for("the gripper's pose", lambda: self.gripper is not None, timeout)
        self.wait_for("the blocks' places", lambda: self.blocks is not None, timeout)
        if not needs_policy:
            return
        self.wait_for(
            "the policy",
            lambda: self.node.count_publishers(f"{POLICY}/reasoning") > 0,
            timeout,
        )

    def reset(self, seed: int, variation: str = "easy") -> None:
        """Put the scene of `seed` on the table, and wait until it is seen."""
        values = [Parameter("seed", value=seed), Parameter("variation", value=variation)]
        request = SetParameters.Request(parameters=[value.to_parameter_msg() for value in values])
        answer = self._call(SetParameters, f"{SIMULATOR}/set_parameters", request)
        for value, result in zip(values, answer.results, strict=True):
            if not result.successful:
                raise GraphError(f"{value.name} {value.value}: {result.reason}")
        self._call(Trigger, f"{SIMULATOR}/reset", Trigger.Request())
        settled = time.monotonic() + _SETTLE
        while time.monotonic() < settled:
            self.spin()
        self.gripper = self.blocks = self.fingers = None
        self.pictures.clear()
        self.wait_for(
            "the new scene",
            lambda: not (self.gripper is None or self.blocks is None or self.fingers is None),
            _ANSWER,
        )

    def enable(self, on: bool) -> None:
        """Switch motion on or off.

        Raises:
            GraphError: The executor still refuses after some seconds; a busy machine may be late
                with the measured pose for a moment.
        """
        end = time.monotonic() + _HEALTHY
        while True:
            answer = self._call(SetBool, f"{EXECUTOR}/enable", SetBool.Request(data=on))
            if answer.success:
                return
            if time.monotonic() > end:
                raise GraphError(f"the executor refuses: {answer.message}")
            self.spin()

    def clear_halt(self) -> None:
        """Take back a latched halt, where there is one."""
        self._call(Trigger, f"{EXECUTOR}/clear", Trigger.Request())

    def instruct(self, instruction: str) -> None:
        """Publish the instruction."""
        self._instruction.publish(String(data=instruction))

    def steer(self, points: np.ndarray, size: tuple[int, int]) -> None:
        """Draw a path for the policy.

        Args:
            points: `[K, 2]` (x, y), 0..255 of the picture; no points: take it back.
            size: Width and height of the picture, px.
        """
        topic = f"{POLICY}/trajectory_hint"
        self.wait_for(topic, lambda: self.node.count_subscribers(topic) > 0, _ANSWER)
        self._hint.publish(trajectory_to_message(points, "user", Header(), size))

    def _call(self, kind: type, name: str, request: Any) -> Any:
        client = self._clients.get(name) or self.node.create_client(kind, name)
        if name not in self._clients or not client.service_is_ready():
            self._clients[name] = client
            self._wait_for_service(f"service {name}", client.service_is_ready)
            wait_until_known(self.node, name.rpartition("/")[0], self._wait_for_service)
        future = client.call_async(request)
        self._wait_for_service(f"an answer of {name}", future.done)
        return future.result()

    def _wait_for_service(self, what: str, ready: Callable[[], bool]) -> None:
        self.wait_for(what, ready, _ANSWER)

    def _take_picture(self, message: Image) -> None:
        self.pictures.append(rgb_from_image(message, "camera"))

    def _take_depth(self, message: Image) -> None:
        self.depth = rgb_from_image(message, "depth_image")

    def _take_joints(self, message: JointState) -> None:
        fingers = [
            position
            for name, position in zip(message.name, message.position, strict=True)
            if "finger" in name
        ]
        if fingers:
            self.fingers = float(np.mean(fingers))

    def _take_status(self, message: ExecutorStatus) -> None:
        self.status = message

    def _take_pose(self, message: PoseStamped) -> None:
        self.gripper = _array(message.pose.position)

    def _take_blocks(self, message: PoseArray) -> None:
        self.blocks = np.stack([_array(pose.position) for pose in message.poses])


def _array(point: Point) -> np.ndarray:
    return np.array([point.x, point.y, point.z])
