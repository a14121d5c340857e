# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""MoveIt Servo has to be told which kind of command it shall follow."""

from __future__ import annotations

from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from .optional import import_optional

_RETRY = 1.0  # s


class ServoSwitch:
    """Calls Servo's command-type service until it has said yes once."""

    def __init__(self, node: Node, service: str, kind: str) -> None:
        """Start to call.

        Args:
            node: Calls it.
            service: Name of the service.
            kind: ``TWIST`` or ``POSE``.

        Raises:
            MissingPackage: moveit_msgs is not installed.
        """
        self._kind = import_optional("moveit_msgs.srv", "ServoCommandType", "servo_command_type")
        self._value = getattr(self._kind.Request, kind)
        self._client = node.create_client(self._kind, service)
        self._service = service
        self._done = False
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(_RETRY, self._call, clock=clock)

    def problem(self) -> str | None:
        """Return why Servo may not follow yet."""
        return None if self._done else f"MoveIt Servo has not answered on {self._service} yet"

    def _call(self) -> None:
        if self._client.service_is_ready():
            request = self._kind.Request(command_type=self._value)
            self._client.call_async(request).add_done_callback(self._answered)

    def _answered(self, future: Any) -> None:
        if future.result() is not None and future.result().success:
            self._done = True
            self._timer.cancel()
