# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Start a node, run it until a signal comes, and stop it with a sensible exit code."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Sequence

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from .parameters import ParameterError

# A wait without end can miss a signal on an idle node.
_LONGEST_WAIT = 0.1  # s


class StartError(RuntimeError):
    """The node can not start; the text is the reason for the user."""


class ClosableNode(Node):
    """A node that has something to stop or to say before ROS shuts down.

    Attributes:
        exit_code: Of the process; a node that ends itself because of a fault sets 1.
    """

    exit_code = 0

    def close(self) -> None:
        """Stop threads, publish last messages; ROS still works."""


def run_node(create: Callable[[], ClosableNode], args: Sequence[str] | None = None) -> int:
    """Create a node and spin it until SIGINT or SIGTERM.

    rclpy's own signal handling shuts ROS down at once, so that a node could not publish its last
    message; here the signal ends the loop, then the node is closed, then ROS.

    Args:
        create: Returns the node.
        args: Command line with ROS arguments; None: that of the process.

    Returns:
        Exit code: 0 after a signal, 1 when the node could not start (the reason is on stderr) or
        ended itself because of a fault.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)  # while starting: KeyboardInterrupt
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # a wrong argument or parameter file
        return _refuse(error)
    try:
        node = create()
        try:
            _spin(node)
        finally:
            node.close()
            node.destroy_node()
        return node.exit_code
    except (ParameterError, StartError) as error:
        return _refuse(error)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()
    return 0


def _refuse(error: Exception) -> int:
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return 1


def _spin(node: Node) -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not stop.is_set():
        executor.spin_once(timeout_sec=_LONGEST_WAIT)
    executor.remove_node(node)
