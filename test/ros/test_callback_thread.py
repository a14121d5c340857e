# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Callbacks in a thread of their own: only there, and only while it runs."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy")

import rclpy  # noqa: E402
from rclpy.executors import MultiThreadedExecutor  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from molmoact_ros.ros import qos  # noqa: E402
from molmoact_ros.ros.node_thread import CallbackThread  # noqa: E402

PATIENCE = 60.0  # s


class Robot:
    """A node with one topic in a CallbackThread and one outside, and a publisher of both."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.node = rclpy.create_node("receiver", context=client.node.context)
        self.received: dict[str, list[tuple[str, int]]] = {"inside": [], "outside": []}
        self.arrived = threading.Condition()
        self.thread = CallbackThread(self.node, "inside")
        self._publishers = {}
        for topic, group in (("inside", self.thread.group), ("outside", None)):
            self.node.create_subscription(
                String, topic, lambda m, t=topic: self._hear(t, m), qos.RESULT, callback_group=group
            )
            self._publishers[topic] = client.node.create_publisher(String, topic, qos.RESULT)

    def say(self, topic: str, text: str) -> None:
        """Publish, once the subscription is known."""
        publisher = self._publishers[topic]
        self.client.wait_for(publisher.get_subscription_count, topic)
        publisher.publish(String(data=text))

    def wait_for(self, topic: str, *texts: str) -> list[int]:
        """Wait until exactly these texts have come, and return the threads in which they did."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.received[topic]) >= len(texts), PATIENCE)
            assert [text for text, _ in self.received[topic]] == list(texts)
            return [thread for _, thread in self.received[topic]]

    def _hear(self, topic: str, message: String) -> None:
        with self.arrived:
            self.received[topic].append((message.data, threading.get_ident()))
            self.arrived.notify_all()
        if message.data == "raise":
            raise ValueError("what a callback should not do")


@pytest.fixture
def robot(client: Any) -> Iterator[Robot]:
    made = Robot(client)
    executor = MultiThreadedExecutor(2, context=client.node.context)
    executor.add_node(made.node)
    stopping = threading.Event()

    def spin() -> None:
        while not stopping.is_set():
            executor.spin_once(timeout_sec=0.02)

    spinner = threading.Thread(target=spin)
    spinner.start()
    yield made
    stopping.set()
    spinner.join()
    made.thread.stop()
    executor.shutdown()
    made.node.destroy_node()


def test_callbacks_run_in_the_thread_and_only_there(robot: Robot) -> None:
    robot.thread.start()
    for text in "abc":
        robot.say("inside", text)
        robot.say("outside", text)
    inside, outside = (robot.wait_for(topic, *"abc") for topic in ("inside", "outside"))
    assert len(set(inside)) == 1
    assert not set(inside) & set(outside)


def test_nothing_runs_before_start_and_after_stop(robot: Robot) -> None:
    robot.say("inside", "early")
    robot.say("outside", "early")
    robot.wait_for("outside", "early")
    assert robot.received["inside"] == []
    robot.thread.start()
    robot.wait_for("inside", "early")  # it was kept, as far as the queue goes
    robot.thread.stop()
    robot.say("inside", "late")
    robot.say("outside", "late")
    robot.wait_for("outside", "early", "late")
    assert len(robot.received["inside"]) == 1
    robot.thread.start()
    robot.wait_for("inside", "early", "late")


def test_an_exception_ends_neither_thread_nor_node(robot: Robot) -> None:
    robot.thread.start()
    robot.say("inside", "raise")
    robot.say("inside", "next")
    robot.wait_for("inside", "raise", "next")


def test_stop_without_start_and_twice(robot: Robot) -> None:
    robot.thread.stop()
    robot.thread.start()
    robot.thread.stop()
    robot.thread.stop()
