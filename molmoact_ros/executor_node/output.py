# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What every output of the executor has, and where the robot's side of it is."""

from __future__ import annotations

from collections.abc import Mapping

from rclpy.node import Node

from molmoact_ros.control import Command


class Output:
    """One way to command the robot."""

    def publish(self, command: Command) -> None:
        """Publish what this output takes from a command; by default nothing."""

    def problem(self) -> str | None:
        """Return why motion cannot be enabled, None where nothing is known to be wrong."""
        return None

    def fault(self) -> str | None:
        """Return why the robot does not follow at present: motion stops, and recovers by itself."""
        return None

    def notes(self) -> Mapping[str, str]:
        """Return what diagnostics show besides."""
        return {}

    def flush(self, seconds: float) -> None:
        """Wait until subscribers have what was published last, at most ``seconds``."""


def robot_topic(node: Node, name: str, stock: str) -> str:
    """Return a topic of the robot's side.

    Args:
        node: Publishes or subscribes to it.
        name: Of the node's topic, e.g. ``twist`` for ``~/twist``.
        stock: What the robot profile names; empty: nothing.

    Returns:
        ``~/name`` where that is remapped or the profile names nothing, else ``stock``.
    """
    private = f"~/{name}"
    remapped = node.resolve_topic_name(private)
    if not stock or remapped != node.resolve_topic_name(private, only_expand=True):
        return private
    return stock
