# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Latched inputs take every publisher, and every message once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")

import rclpy  # noqa: E402
from rclpy.executors import MultiThreadedExecutor  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from molmoact_ros.ros import qos  # noqa: E402


class Receiver:
    """A node with a latched input, spun as the policy node is."""

    def __init__(self, client: Any, topic: str) -> None:
        self.client = client
        self.received: list[str] = []
        self.node = rclpy.create_node("latched", context=client.node.context)
        qos.subscribe_latched(self.node, String, topic, lambda m: self.received.append(m.data))
        self.executor = MultiThreadedExecutor(4, context=client.node.context)
        self.executor.add_node(self.node)

    def until(self, *expected: str) -> None:
        """Wait for these texts and for a while longer; there must be no others."""
        self.client.wait_for(
            lambda: len(self.received) >= len(expected), f"{len(expected)} texts", self.spin
        )
        for _ in range(10):
            self.spin()
        assert self.received == [*expected]

    def until_matched(self, publisher: Any, subscriptions: int) -> None:
        """Wait until a publisher knows so many subscriptions."""
        self.client.wait_for(
            lambda: publisher.get_subscription_count() == subscriptions, "a match", self.spin
        )

    def spin(self) -> None:
        """Take what has come."""
        self.executor.spin_once(0.01)

    def close(self) -> None:
        """Destroy everything."""
        self.executor.shutdown()
        self.node.destroy_node()


@pytest.fixture
def topic(tmp_path: Path) -> str:
    """Return a topic of this test alone: what was latched may arrive late."""
    return f"/{tmp_path.name.replace('-', '_')}"


@pytest.fixture
def publishers(client: Any, topic: str) -> Iterator[dict[str, Any]]:
    made = {
        "volatile": client.node.create_publisher(String, topic, qos.RESULT),
        "latched": client.node.create_publisher(String, topic, qos.HISTORY),
    }
    yield made
    for publisher in made.values():
        client.node.destroy_publisher(publisher)


@pytest.fixture
def receiver(client: Any, topic: str) -> Iterator[Any]:
    made = []

    def start() -> Receiver:
        made.append(Receiver(client, topic))
        return made[0]

    yield start
    for node in made:
        node.close()


def test_what_was_published_before_arrives(receiver: Any, publishers: Any) -> None:
    publishers["latched"].publish(String(data="before"))
    receiver().until("before")


@pytest.mark.parametrize(("kind", "subscriptions"), [("volatile", 1), ("latched", 2)])
def test_each_message_comes_once_and_in_order(
    receiver: Any, publishers: Any, kind: str, subscriptions: int
) -> None:
    node = receiver()
    node.until_matched(publishers[kind], subscriptions)
    texts = ["a", "b", "a", "a", "c"]
    for round_ in range(1, 4):
        for text in texts:
            publishers[kind].publish(String(data=text))
        node.until(*texts * round_)


def test_the_last_publisher_counts(receiver: Any, publishers: Any) -> None:
    node = receiver()
    for kind, subscriptions in (("latched", 2), ("volatile", 1), ("latched", 2)):
        node.until_matched(publishers[kind], subscriptions)
        publishers[kind].publish(String(data=kind))
        node.until(*["latched", "volatile", "latched"][: len(node.received) + 1])
