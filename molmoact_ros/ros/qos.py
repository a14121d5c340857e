# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""QoS profiles by purpose, so that both ends of a topic always agree."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_profile_sensor_data,
)
from rclpy.subscription import Subscription

# Since Iron callbacks can learn when a message was published and which number it has.
HAS_MESSAGE_INFO = hasattr(Subscription, "CallbackType")
# How many messages one of the two subscriptions to a latched topic can be ahead of the other.
_REMEMBERED = 64


def _reliable(depth: int, durability: DurabilityPolicy = DurabilityPolicy.VOLATILE) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=durability,
    )


# Camera images: only new ones matter, a lost one is not sent again.
IMAGE = qos_profile_sensor_data
# Measured states of the robot: best effort also receives from publishers that are reliable.
STATE = qos_profile_sensor_data
# Pictures for a person, about one a second: reliable, so that every viewer's settings match.
PICTURE = _reliable(1)
# The last value also reaches subscribers that start later.
LATCHED = _reliable(1, DurabilityPolicy.TRANSIENT_LOCAL)
# The same for a subscription that takes all that was kept.
HISTORY = _reliable(10, DurabilityPolicy.TRANSIENT_LOCAL)
# Only the newest command or chunk counts, and it must arrive. The more messages are kept, the more
# of the buffers that DDS reuses become as large as the largest message.
COMMAND = _reliable(1)
# Results of the policy and states: none is lost on the way.
RESULT = _reliable(10)


def subscribe_latched(node: Node, kind: type, topic: str, callback: Callable[[Any], None]) -> None:
    """Subscribe to all publishers of a topic, and to what latching ones have published before.

    A transient local subscription receives nothing from volatile publishers, such as plain
    `ros2 topic pub`; a volatile one nothing that was published before. Hence there are both, and
    what both receive, recognised by the time of its publication, is handed on once. Both keep
    several messages, so that none overtakes another.

    Args:
        node: Subscribes; its default callback group runs the callbacks, one at a time.
        kind: Message type.
        topic: Name of the topic.
        callback: Takes each message.
    """
    if not HAS_MESSAGE_INFO:
        node.create_subscription(kind, topic, callback, LATCHED)
        return
    from rclpy.event_handler import SubscriptionEventCallbacks

    taken: deque[int] = deque(maxlen=_REMEMBERED)

    def take(message: Any, info: Any) -> None:
        published = info["source_timestamp"]
        if published in taken:
            return
        taken.append(published)
        callback(message)

    # That the latched one does not match a volatile publisher is no reason for a warning.
    silent = SubscriptionEventCallbacks(use_default_callbacks=False)
    node.create_subscription(kind, topic, take, HISTORY, event_callbacks=silent)
    node.create_subscription(kind, topic, take, RESULT)
