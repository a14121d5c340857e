# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Subscriptions that refuse a message by its size, before anything is converted.

rclpy takes and converts a message while it holds Python's global lock, so that one of 100 MB stops
every other thread for 90 ms, a control loop too. Bounded types do not help: rclpy's deserialisers
do not look at the bounds, and no bound reaches the string in std_msgs/Header. Here rcl's own
function is called without the lock and takes into memory of a fixed size; for a message that is
larger it asks for more, gets none, and drops the message.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from rclpy.service import Service
from rclpy.subscription import Subscription
from rclpy.waitable import NumberOfEntities, Waitable

# rcutils_allocator_t; the last argument of each function is its state.
_Allocate = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
_Deallocate = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
_Reallocate = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
_ZeroAllocate = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p)
OK = 0  # RCL_RET_OK, RMW_RET_OK
_NOTHING_THERE = 401  # RCL_RET_SUBSCRIPTION_TAKE_FAILED


class _Allocator(ctypes.Structure):
    _fields_ = [
        ("allocate", _Allocate),
        ("deallocate", _Deallocate),
        ("reallocate", _Reallocate),
        ("zero_allocate", _ZeroAllocate),
        ("state", ctypes.c_void_p),
    ]


class SerializedMessage(ctypes.Structure):
    """rcl_serialized_message_t."""

    _fields_ = [
        ("buffer", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("capacity", ctypes.c_size_t),
        ("allocator", _Allocator),
    ]


class _MessageInfo(ctypes.Structure):
    """rmw_message_info_t up to the identity of the publisher, which is 16 or 24 bytes long."""

    _fields_ = [
        ("times_and_numbers", ctypes.c_uint64 * 4),
        ("implementation", ctypes.c_void_p),
        ("publisher", ctypes.c_uint8 * 16),
        ("rest", ctypes.c_uint8 * 64),  # more than any distribution has
    ]


class Taken(NamedTuple):
    """A serialized message, and the same bytes for all messages of one publisher."""

    data: bytes
    source: bytes


class Refused(ValueError):
    """A message is not read; the text is the reason."""


class FixedBuffer:
    """Memory for serialized messages that fit; the others are dropped without a copy.

    Attributes:
        capacity: Bytes.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._memory = (ctypes.c_uint8 * capacity)()
        self._wanted = 0
        self._allocator = _Allocator(
            _Allocate(lambda size, _: None),
            _Deallocate(lambda pointer, _: None),
            _Reallocate(self._reallocate),
            _ZeroAllocate(lambda count, size, _: None),
        )
        self.reset_error = ctypes.CDLL("librcutils.so").rcutils_reset_error

    def fill(self, write: Callable[[Any], int]) -> bytes | None:
        """Return the bytes that a function of rcl or rmw writes.

        Args:
            write: Calls it with a pointer to a serialized message; returns its code.

        Returns:
            The bytes; None: there are none to be taken.

        Raises:
            Refused: They do not fit, or the function failed.
        """
        self._wanted = 0
        message = SerializedMessage(
            ctypes.addressof(self._memory), 0, self.capacity, self._allocator
        )
        code = write(ctypes.byref(message))
        if code == OK:
            return ctypes.string_at(self._memory, message.length)
        self.reset_error()
        if self._wanted > self.capacity:
            raise Refused(f"it has {self._wanted} bytes, at most {self.capacity} are read")
        if code == _NOTHING_THERE:
            return None
        raise Refused(f"rcl could not take it (code {code})")

    def _reallocate(self, pointer: int | None, size: int, _: int | None) -> int | None:
        self._wanted = size
        return pointer if size <= self.capacity else None


class BoundedSubscription(Waitable):
    """A subscription of a node, seen in the graph as any other, to messages of a limited size.

    Attributes:
        source: Of the message that the callback takes: the same for all of one publisher.
    """

    def __init__(
        self,
        node: Node,
        kind: type,
        topic: str,
        callback: Callable[[Any], None],
        profile: QoSProfile,
        capacity: int,
        refused: Callable[[str], None],
    ) -> None:
        """Subscribe.

        Args:
            node: Its default callback group runs the callbacks.
            kind: Message type.
            topic: Name of the topic.
            callback: Takes each message.
            profile: QoS.
            capacity: Bytes that a serialized message may have.
            refused: Takes the reason why a message is not read: too large or malformed.
        """
        super().__init__(node.default_callback_group)
        self._node = node
        self._kind = kind
        self._callback = callback
        self._refused = refused
        self._buffer = FixedBuffer(capacity)
        self._take = ctypes.CDLL("librcl.so").rcl_take_serialized_message  # rclpy has loaded it
        self._take.argtypes = [
            ctypes.c_void_p, ctypes.POINTER(SerializedMessage), ctypes.c_void_p, ctypes.c_void_p
        ]  # fmt: skip
        self.source = b""
        self._index = -1
        self._subscription = node.create_subscription(
            kind, topic, callback, profile, callback_group=TakenElsewhere(), raw=True
        )
        node.add_waitable(self)

    def destroy(self) -> None:
        """Unsubscribe."""
        self._node.remove_waitable(self)
        self._node.destroy_subscription(self._subscription)

    # What rclpy's executors call.

    def __enter__(self) -> None:
        """Keep the subscription from being destroyed while it is waited for."""
        self._subscription.handle.__enter__()

    def __exit__(self, *exception: Any) -> None:
        """Let it be destroyed."""
        self._subscription.handle.__exit__(*exception)

    def get_num_entities(self) -> NumberOfEntities:
        """Return what is waited for: one subscription."""
        return NumberOfEntities(num_subs=1)

    def add_to_wait_set(self, wait_set: Any) -> None:
        """Wait for messages."""
        self._index = wait_set.add_subscription(self._subscription.handle)

    def is_ready(self, wait_set: Any) -> bool:
        """Return whether a message has come."""
        return bool(wait_set.is_ready("subscription", self._index))

    def take_data(self) -> Taken | Refused | None:
        """Take a message, or the reason why it is refused; None: there is none."""
        info = _MessageInfo()

        def take(message: Any) -> int:
            with self._subscription.handle:
                pointer = self._subscription.handle.pointer
                return int(self._take(pointer, message, ctypes.byref(info), None))

        try:
            data = self._buffer.fill(take)
            return None if data is None else Taken(data, bytes(info.publisher))
        except InvalidHandle:
            return None  # destroyed by the callback before
        except Refused as reason:
            return reason

    async def execute(self, taken: Taken | Refused | None) -> None:
        """Hand a message on."""
        if taken is None:
            return
        if isinstance(taken, Refused):
            self._refused(str(taken))
            return
        try:
            message = deserialize_message(taken.data, self._kind)
        except Exception:  # noqa: BLE001 - of several types, depending on the distribution
            self._refused(f"its {len(taken.data)} bytes are no {self._kind.__name__}")
            return
        self.source = taken.source
        self._callback(message)


class TakenElsewhere(ReentrantCallbackGroup):
    """Keeps executors from taking messages and requests, but not from a subscription's events."""

    def can_execute(self, entity: Any) -> bool:
        """Return whether it is an event."""
        return not isinstance(entity, (Subscription, Service))
