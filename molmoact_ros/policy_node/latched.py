# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Inputs whose last message also reaches a node that starts later."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.subscription import Subscription

from molmoact_ros.ros import qos

_REMEMBERED = 64  # messages; how far one of the two subscriptions can be ahead of the other


def subscribe_latched(
    node: Node, kind: type, topic: str, callback: Callable[[Any], None]
) -> None:
    """Subscribe to all publishers of a topic, and to what the latching ones said before.

    A transient local subscription gets nothing from volatile publishers, such as plain
    ``ros2 topic pub``; a volatile one gets nothing that was said before. Hence there are both, and
    what comes by both, told by the time at which it was published, is handed on once. Both keep
    several messages, so that none overtakes another on the other way.

    Args:
        node: Subscribes; its default callback group runs the callbacks, one at a time.
        kind: Message type.
        topic: Name of the topic.
        callback: Takes each message.
    """
    if not hasattr(Subscription, "CallbackType"):  # Humble: callbacks get no message info
        node.create_subscription(kind, topic, callback, qos.LATCHED)
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
    node.create_subscription(kind, topic, take, qos.HISTORY, event_callbacks=silent)
    node.create_subscription(kind, topic, take, qos.RESULT)
