# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Messages are measured before they are converted, and other threads run meanwhile."""

import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy")

import rclpy  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402

from molmoact_ros.ros import qos  # noqa: E402
from molmoact_ros.ros.bounded_subscription import BoundedSubscription  # noqa: E402

CAPACITY = 1000  # bytes
SMALL = JointState(name=["a", "b"], position=[1.0, 2.0])


class Receiver:
    """A node with a bounded subscription, and its publisher."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.received: list[Any] = []  # messages, and the reasons why others are not read
        self.node = rclpy.create_node("receiver", context=client.node.context)
        self.react: Callable[[], None] = lambda: None  # to a message
        self.subscription = BoundedSubscription(
            self.node, JointState, "joints", self._take, qos.RESULT, CAPACITY, self.received.append
        )
        self.executor = SingleThreadedExecutor(context=client.node.context)
        self.executor.add_node(self.node)
        self._publisher = client.node.create_publisher(JointState, "joints", qos.RESULT)
        client.wait_for(self._publisher.get_subscription_count, "the subscription")

    def send(self, message: JointState | bytes) -> Any:
        """Publish a message, or any bytes instead of one, and return what the node makes of it."""
        self.received.clear()
        self._publisher.publish(message)
        self.client.wait_for(
            lambda: self.received, "the message", lambda: self.executor.spin_once(0.01)
        )
        return self.received[0]

    def _take(self, message: JointState) -> None:
        self.received.append(message)
        self.react()

    def close(self) -> None:
        """Destroy everything."""
        self.executor.shutdown()
        self.node.destroy_node()
        self.client.node.destroy_publisher(self._publisher)


@pytest.fixture
def receiver(client: Any) -> Iterator[Receiver]:
    made = Receiver(client)
    yield made
    made.close()


def test_a_message_that_fits_arrives_and_a_larger_one_is_refused(receiver: Receiver) -> None:
    assert receiver.send(SMALL) == SMALL
    assert receiver.send(JointState(position=[0.0] * CAPACITY)) == (
        f"it has {8 * CAPACITY + 36} bytes, at most {CAPACITY} are read"
    )
    assert receiver.send(SMALL) == SMALL


def test_the_source_is_that_of_the_publisher(receiver: Receiver, new_client: Any) -> None:
    sources = []
    for _ in range(2):
        receiver.send(SMALL)
        sources.append(receiver.subscription.source)
    other = new_client()
    publisher = other.node.create_publisher(JointState, "joints", qos.RESULT)
    other.wait_for(publisher.get_subscription_count, "the subscription")
    receiver.received.clear()
    publisher.publish(SMALL)
    receiver.client.wait_for(
        lambda: receiver.received, "the message", lambda: receiver.executor.spin_once(0.01)
    )
    other.node.destroy_publisher(publisher)
    assert sources[0] == sources[1] != receiver.subscription.source
    assert any(sources[0])


def test_the_capacity_is_exact(receiver: Receiver) -> None:
    def message(size: int) -> JointState:
        made = JointState()
        made.header.frame_id = "f" * (size - 36)
        return made

    assert receiver.send(message(CAPACITY)) == message(CAPACITY)
    assert f"it has {CAPACITY + 4} bytes" in receiver.send(message(CAPACITY + 4))


@pytest.mark.parametrize("rest", [b"", b"\xff" * 8, b"\x00" * 12 + b"\xff" * 40])
def test_what_is_no_message_is_refused(receiver: Receiver, rest: bytes) -> None:
    assert "are no JointState" in receiver.send(b"\x00\x01\x00\x00" + rest)
    assert receiver.send(SMALL) == SMALL


@pytest.fixture
def no_switches() -> Iterator[None]:
    """Let a thread keep Python's lock until it gives it away."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(60.0)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("no_switches")
def test_other_threads_run_while_a_large_message_is_taken(receiver: Receiver) -> None:
    take, ended = receiver.subscription.take_data, threading.Event()
    rounds = 0
    progress: list[int] = []

    def run() -> None:
        nonlocal rounds
        while not ended.is_set():
            rounds += 1
            time.sleep(0.0)  # lets others have the lock

    def take_and_measure() -> Any:
        before = rounds
        taken = take()
        progress.append(rounds - before)
        return taken

    receiver.subscription.take_data = take_and_measure  # type: ignore[method-assign]
    thread = threading.Thread(target=run)
    thread.start()
    try:
        for _ in range(50):  # on a busy machine the other thread may have no core
            assert "at most" in receiver.send(JointState(position=array("d", bytes(20_000_000))))
            if max(progress) > 5:
                break
    finally:
        ended.set()
        thread.join()
    assert max(progress) > 5  # with the lock held: 0 or 1


def test_events_of_the_subscription_are_still_reported(
    receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    """Such as a publisher with a QoS that does not fit."""
    node, text = receiver.client.node, ""
    publisher = node.create_publisher(JointState, "joints", qos.IMAGE)  # best effort
    end = time.monotonic() + 60.0
    while "incompatible QoS" not in text and time.monotonic() < end:
        receiver.executor.spin_once(0.1)
        text += capfd.readouterr().err
    node.destroy_publisher(publisher)
    assert "incompatible QoS" in text


def test_destroyed_it_is_gone_from_node_and_graph(receiver: Receiver) -> None:
    def count() -> int:
        return receiver.client.node.count_subscribers("/joints")

    assert count() == 1
    receiver.subscription.destroy()
    assert not list(receiver.node.subscriptions)
    receiver.client.wait_for(lambda: not count(), "the end of the subscription")
    receiver.executor.spin_once(0.0)


def test_a_callback_that_destroys_it_ends_nothing(receiver: Receiver) -> None:
    receiver.react = receiver.subscription.destroy
    assert receiver.send(SMALL) == SMALL
    receiver.executor.spin_once(0.0)
