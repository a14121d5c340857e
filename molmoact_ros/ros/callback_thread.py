# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Callbacks in a thread of their own, beside the executor that spins their node."""

from __future__ import annotations

import threading
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.executors import ExternalShutdownException, ShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from .node_thread import NodeThread
from .running import ClosableNode

_LONGEST_WAIT = 0.1  # s


class CallbackThread:
    """Runs the callbacks of `group`; nothing else runs them, and they never run before `start`.

    For messages that come often. At each of them rclpy's executors gather all that the node waits
    for, several times, and pass it between threads. For a node with the services of parameters and
    life cycle that costs ten times more than receiving an image, and frames get late. Here only
    the members of the group are gathered.

    Attributes:
        group: To be given to the subscriptions.
        thread: The thread itself; a callback's exception is counted there.
    """

    def __init__(self, node: ClosableNode, name: str) -> None:
        """Prepare.

        Args:
            node: Has the subscriptions; its own executor goes on to run the rest.
            name: Of the thread.
        """
        self.group = _OneThreadGroup()
        self.thread = NodeThread(node, name, self._spin_once)
        self._node = node
        self._executor: _GroupExecutor | None = None

    def start(self) -> None:
        """Start the thread; it must not run."""
        self._executor = _GroupExecutor(self._node, self.group)
        self.thread.start()

    def stop(self) -> None:
        """End the thread after its present callback; must not be called in one."""
        self.thread.stop()
        self.thread.join()
        self.group.thread = None
        if self._executor is not None:
            self._executor.shutdown()
            self._executor = None

    def _spin_once(self) -> None:
        assert self._executor is not None
        self.group.thread = threading.get_ident()
        try:
            self._executor.spin_once(timeout_sec=_LONGEST_WAIT)
        except (ShutdownException, ExternalShutdownException):
            self.thread.stop()  # ROS ended before the node


class _OneThreadGroup(CallbackGroup):
    """Lets its callbacks run in one thread only, hence one at a time."""

    thread: int | None = None

    def can_execute(self, entity: Any) -> bool:
        return threading.get_ident() == self.thread

    def beginning_execution(self, entity: Any) -> bool:
        return True

    def ending_execution(self, entity: Any) -> None:
        pass


class _GroupExecutor(SingleThreadedExecutor):
    """Sees one group of a node that another executor spins."""

    def __init__(self, node: Node, group: CallbackGroup) -> None:
        super().__init__(context=node.context)
        self._watched = node
        self._group = group

    def get_nodes(self) -> list[Node]:
        return [self._watched]

    def can_execute(self, entity: Any) -> bool:
        return entity.callback_group is self._group and super().can_execute(entity)
