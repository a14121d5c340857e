# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Start a node, run it until a signal comes, and stop it with a sensible exit code."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import rclpy
from rclpy.exceptions import InvalidHandle
from rclpy.executors import (
    Executor,
    ExternalShutdownException,
    MultiThreadedExecutor,
    SingleThreadedExecutor,
)
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.time_source import CLOCK_TOPIC

from .parameters import ParameterError

# A wait without end can miss a signal on an idle node.
_LONGEST_WAIT = 0.1  # s
_LAST_WORDS = 0.05  # s
# Fast DDS can wait for ever, with Python's lock held, for a participant that others discover just
# while it is destroyed (seen with 3.2 on a loaded machine); then the process ends with `FAULT`.
_LONGEST_DESTRUCTION = 10.0  # s

FAULT = 1  # exit code after a fault; another start may help
CONFIGURATION_ERROR = 78  # exit code when no other start helps: EX_CONFIG of sysexits.h


class StartError(RuntimeError):
    """The node cannot start as it is set up; the text is the reason for the user."""

    exit_code = CONFIGURATION_ERROR


class StartFault(StartError):
    """The node cannot start now, but may later: memory is taken, a disk cannot be read."""

    exit_code = FAULT


class ClosableNode(Node):
    """A node that has something to stop or to publish before ROS shuts down.

    Attributes:
        exit_code: Of the process; a node that ends itself because of a fault sets `FAULT`.
        start_error: Set by a node that finds only while spinning that it cannot start; ends it.
        has_failed: Whether `fail` was called.
        is_stuck: Whether a thread still computes after `close` and cannot be interrupted.
        dropped_clocks: Messages on /clock that are no time.
    """

    exit_code = 0
    start_error: StartError | None = None
    has_failed = False
    is_stuck = False
    dropped_clocks = 0

    def create_subscription(
        self, kind: Any, topic: str, callback: Callable, *rest: Any, **options: Any
    ) -> Any:
        """As rclpy's, but a message on /clock that is no time does not end the node."""
        if topic == CLOCK_TOPIC:
            callback = self._tolerant(callback)
        return super().create_subscription(kind, topic, callback, *rest, **options)

    def _tolerant(self, set_clock: Callable[[Any], None]) -> Callable[[Any], None]:
        def on_clock(message: Any) -> None:
            try:
                set_clock(message)
            except (ValueError, OverflowError) as error:  # negative, or beyond what rclpy can hold
                self.dropped_clocks += 1
                self.get_logger().error(
                    f"/clock dropped: sec {message.clock.sec}, nanosec {message.clock.nanosec}: "
                    f"{error}",
                    throttle_duration_sec=5.0,
                )

        return on_clock

    def fail(self, reason: str) -> None:
        """Close the node and end the process with exit code 1; may be called in any thread.

        For a fault that the node cannot go on from; a supervisor can start it again.
        """
        if self.has_failed:
            return
        try:
            self.get_logger().fatal(reason)
        finally:  # last, or the process could end before the reason is written
            self.exit_code = FAULT
            self.has_failed = True

    def close(self) -> None:
        """Stop threads, publish last messages; ROS still works."""


def run_node(
    create: Callable[[], ClosableNode], args: Sequence[str] | None = None, threads: int = 1
) -> int:
    """Create a node and spin it until SIGINT or SIGTERM.

    rclpy's own signal handling shuts ROS down at once, so that a node could not publish its last
    message; here the signal ends the loop, then the node is closed, then ROS.

    Args:
        create: Returns the node.
        args: Command line with ROS arguments; None: that of the process.
        threads: That run callbacks; more than one for a node with callbacks that take long.

    Returns:
        Exit code: 0 after a signal, `CONFIGURATION_ERROR` when the node's settings are wrong (the
        reason is on stderr), `FAULT` when it could not start for another reason, ended itself
        because of a fault, or a callback raised an exception, after which the node is closed all
        the same. Where threads are left, the process ends with it at once.
    """
    stop = threading.Event()

    def interrupt(*_: object) -> NoReturn:
        stop.set()  # should the exception be lost, as in a destructor
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        rclpy.init(args=_as_utf8(args), signal_handler_options=SignalHandlerOptions.NO)
    except UnicodeDecodeError as error:
        return _refuse(ValueError(f"an argument is not UTF-8 text: {error.object!r}"))
    except RuntimeError as error:  # a wrong argument or parameter file
        return _refuse(error)
    except KeyboardInterrupt:
        return 0
    code, crashed = 0, False
    node: ClosableNode | None = None
    try:
        node = create()
        executor = MultiThreadedExecutor(threads) if threads > 1 else SingleThreadedExecutor()
        try:
            _spin(node, executor, stop)
        except (ParameterError, StartError, ExternalShutdownException):
            raise
        except Exception:  # noqa: BLE001 - whatever it is, the node is closed and logs it
            node.fail(f"a callback failed:\n{traceback.format_exc()}")
        finally:
            node.close()
            if threads > 1:
                _finish(executor)
            faulthandler.dump_traceback_later(_LONGEST_DESTRUCTION, exit=True)
            node.destroy_node()
        code = node.exit_code
    except (ParameterError, StartError) as error:
        code = _refuse(error)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:  # noqa: BLE001 - while starting or closing
        traceback.print_exc()
        code, crashed = FAULT, True
    finally:
        rclpy.try_shutdown()
        faulthandler.cancel_dump_traceback_later()
    if node is None or node.is_stuck or crashed:
        _leave(code)
    return code


def _as_utf8(args: Sequence[str] | None) -> list[str]:
    """Return the arguments as ROS wants them: in the locale C Python may not have decoded them."""
    return [os.fsencode(argument).decode() for argument in (sys.argv if args is None else args)]


def _refuse(error: Exception) -> int:
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return error.exit_code if isinstance(error, StartError) else CONFIGURATION_ERROR


def _spin(node: ClosableNode, executor: Executor, stop: threading.Event) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    executor.add_node(node)
    while not stop.is_set() and not node.has_failed:
        try:
            executor.spin_once(timeout_sec=_LONGEST_WAIT)
        except InvalidHandle as error:
            # A transition in another thread has just destroyed what rclpy was about to wait for.
            node.get_logger().debug(f"waiting again: {error}")
        if node.start_error is not None:
            raise node.start_error


def _finish(executor: Executor) -> None:
    """Let long callbacks end, which `close` has stopped, and their answers go out."""
    end = time.monotonic() + _LAST_WORDS
    while time.monotonic() < end:
        executor.spin_once(timeout_sec=0.01)
    executor.shutdown()


def _leave(code: int) -> None:
    """End the process at once.

    Python's own end would wait for, or crash in, a thread inside of torch; and where a node was
    only half created, or not closed, its DDS threads still run, for which C++ aborts the process.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
