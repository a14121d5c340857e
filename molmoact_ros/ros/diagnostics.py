# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Diagnostics: one status per concern, gathered once a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node


class Level(Enum):
    """Severity of a status; the values are those of DiagnosticStatus."""

    OK = DiagnosticStatus.OK
    WARN = DiagnosticStatus.WARN
    ERROR = DiagnosticStatus.ERROR
    STALE = DiagnosticStatus.STALE


@dataclass(frozen=True)
class Diagnosis:
    """State of one concern.

    Attributes:
        level: Severity.
        message: One sentence for a person.
        values: Numbers and names behind it.
    """

    level: Level
    message: str
    values: Mapping[str, Any] = field(default_factory=dict)


class Diagnostics:
    """Publishes `/diagnostics` once a second, by wall time so that it works in paused time."""

    def __init__(self, node: Node, sources: Mapping[str, Callable[[], Diagnosis]]) -> None:
        """Start to publish.

        Args:
            node: Publishes; its full name stands before each status's name.
            sources: Name of the concern and a function that returns its state.
        """
        self._node = node
        self._sources = dict(sources)
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        node.create_timer(1.0, self.publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def publish(self) -> None:
        """Publish all states now."""
        array = DiagnosticArray()
        array.header.stamp = self._node.get_clock().now().to_msg()
        array.status = [self._message(name, source()) for name, source in self._sources.items()]
        self._publisher.publish(array)

    def _message(self, name: str, status: Diagnosis) -> DiagnosticStatus:
        node = self._node.get_fully_qualified_name()  # distinguishes two robots of one graph
        return DiagnosticStatus(
            level=status.level.value,
            name=f"{node}: {name}",
            message=status.message,
            hardware_id=node,
            values=[KeyValue(key=key, value=str(value)) for key, value in status.values.items()],
        )
