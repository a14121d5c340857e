# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Callbacks in a thread of their own, beside the executor that spins their node."""

from __future__ import annotations

import threading
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.executors import ExternalShutdownException, ShutdownException, SingleThreadedExecutor
from rclpy.node import Node

_LONGEST_WAIT = 0.1  # s


class CallbackThread:
    """Runs the callbacks of `group`; nothing else runs them, and they never run before `start`.

    For messages that come often. At each of them rclpy's executors gather all that the node waits
    for, several times, and pass it between threads. For a node with the services of parameters and
    life cycle that costs ten times more than receiving an image, and frames get late. Here only
    the members of the group are gathered.

    Attributes:
        group: To be given to the subscriptions.
    """

    def __init__(self, node: Node, name: str) -> None:
        """Prepare.

        Args:
            node: Has the subscriptions; its own executor goes on to run the rest.
            name: Of the thread.
        """
        self.group = _OneThreadGroup()
        self._node = node
        self._name = name
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread; it must not run."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after its present callback; must not be called in one."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        self.group.thread = threading.get_ident()
        executor = _GroupExecutor(self._node, self.group)
        while not self._stopping.is_set():
            try:
                executor.spin_once(timeout_sec=_LONGEST_WAIT)
            except (ShutdownException, ExternalShutdownException):
                break  # ROS ended before the node
            except Exception as error:  # noqa: BLE001 - the next message may be a better one
                self._node.get_logger().error(
                    f"{self._name}: {type(error).__name__}: {error}", throttle_duration_sec=2.0
                )
                self._stopping.wait(_LONGEST_WAIT)
        self.group.thread = None
        executor.shutdown()


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
