# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Services that refuse a request by its size, before anything is converted.

As for messages (`bounded_subscription`), rclpy takes and converts a request while it holds Python's
global lock; the services of parameters, which every node has, take lists of any length. rcl cannot
take a request as bytes, so here it takes it as C has it, and rmw serializes that into memory of a
fixed size, both without the lock.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

from rclpy.exceptions import InvalidHandle
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from rclpy.service import Service
from rclpy.waitable import NumberOfEntities, Waitable

from .bounded_subscription import OK, FixedBuffer, Refused, SerializedMessage, TakenElsewhere

_NOTHING_THERE = 601  # RCL_RET_SERVICE_TAKE_FAILED


class _RequestId(ctypes.Structure):
    """rmw_request_id_t."""

    _fields_ = [("client", ctypes.c_uint8 * 16), ("number", ctypes.c_int64)]


class TakenRequest(NamedTuple):
    """A serialized request, and whom to answer."""

    data: bytes
    id: _RequestId


def bound_services(node: Node, capacity: int) -> None:
    """Bound the requests to all services that a node has by now; a larger one is not answered.

    Args:
        node: Logs what is refused.
        capacity: Bytes that a serialized request may have.
    """
    for service in node.services:
        if not isinstance(service.callback_group, TakenElsewhere):
            node.add_waitable(BoundedService(node, service, capacity))


class BoundedService(Waitable):
    """Takes the requests of one of rclpy's services in its place, and answers them.

    Attributes:
        service: That of rclpy; its callback makes the answers.
    """

    def __init__(self, node: Node, service: Service, capacity: int) -> None:
        """Replace rclpy; see `bound_services`."""
        super().__init__(service.callback_group)
        self._node = node
        self.service = service
        self._buffer = FixedBuffer(capacity)
        self._request = _CMessages(service.srv_type.Request)
        self._response = _CMessages(service.srv_type.Response)
        rcl = ctypes.CDLL("librcl.so")  # the one that rclpy has loaded; rmw is found through it
        self._take, self._send = rcl.rcl_take_request, rcl.rcl_send_response
        self._serialize = rcl.rmw_serialize
        self._take.argtypes = self._send.argtypes = [
            ctypes.c_void_p, ctypes.POINTER(_RequestId), ctypes.c_void_p
        ]  # fmt: skip
        self._serialize.argtypes = [
            ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(SerializedMessage)
        ]  # fmt: skip
        self._index = -1
        service.callback_group = TakenElsewhere()

    # What rclpy's executors call.

    def __enter__(self) -> None:
        """Keep the service from being destroyed while it is waited for."""
        self.service.handle.__enter__()

    def __exit__(self, *exception: Any) -> None:
        """Let it be destroyed."""
        self.service.handle.__exit__(*exception)

    def get_num_entities(self) -> NumberOfEntities:
        """Return what is waited for: one service."""
        return NumberOfEntities(num_services=1)

    def add_to_wait_set(self, wait_set: Any) -> None:
        """Wait for requests."""
        self._index = wait_set.add_service(self.service.handle)

    def is_ready(self, wait_set: Any) -> bool:
        """Return whether a request has come."""
        return bool(wait_set.is_ready("service", self._index))

    def take_data(self) -> TakenRequest | Refused | None:
        """Take a request, or the reason why it is refused; None: there is none."""
        request, asked = self._request.create(), _RequestId()
        try:
            with self.service.handle:
                code = self._take(self.service.handle.pointer, ctypes.byref(asked), request)
            if code == _NOTHING_THERE:
                self._buffer.reset_error()
                return None
            if code != OK:
                self._buffer.reset_error()
                return Refused(f"rcl could not take it (code {code})")
            kind = self._request.type_support
            data = self._buffer.fill(lambda message: self._serialize(request, kind, message))
            return None if data is None else TakenRequest(data, asked)
        except InvalidHandle:
            return None  # destroyed by the callback before
        except Refused as reason:
            return reason
        finally:
            self._request.destroy(request)

    async def execute(self, taken: TakenRequest | Refused | None) -> None:
        """Answer a request."""
        if taken is None:
            return
        if isinstance(taken, Refused):
            self._node.get_logger().error(
                f"request to {self.service.srv_name} dropped: {taken}", throttle_duration_sec=2.0
            )
            return
        kinds = self.service.srv_type
        request = deserialize_message(taken.data, kinds.Request)
        answer = self.service.callback(request, kinds.Response())
        response = self._response.create()
        try:
            self._response.convert(answer, response)
            with self.service.handle:
                self._send(self.service.handle.pointer, ctypes.byref(taken.id), response)
        except InvalidHandle:
            pass  # destroyed by the callback
        finally:
            self._response.destroy(response)


class _CMessages:
    """Messages of one type as C has them; the functions are those that rclpy itself calls.

    Attributes:
        create: Return the address of an empty one.
        destroy: Free one.
        convert: Fill the second argument, an address, from the first, a message of Python.
        type_support: Address of what rmw knows of the type.
    """

    def __init__(self, kind: type) -> None:
        def pointer(name: str) -> int:
            return int(get_pointer(getattr(type(kind), name), None))

        get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
        get_pointer.restype = ctypes.c_void_p
        get_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
        self.create: Callable[[], int] = ctypes.CFUNCTYPE(ctypes.c_void_p)(
            pointer("_CREATE_ROS_MESSAGE")
        )
        self.destroy: Callable[[int], None] = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(
            pointer("_DESTROY_ROS_MESSAGE")
        )
        self.convert: Callable[[Any, int], bool] = ctypes.PYFUNCTYPE(
            ctypes.c_bool, ctypes.py_object, ctypes.c_void_p
        )(pointer("_CONVERT_FROM_PY"))
        self.type_support = pointer("_TYPE_SUPPORT")
