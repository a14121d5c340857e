# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Nodes with the states of ROS 2's life cycle, which also bring themselves up."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from rclpy.action import ActionClient, ActionServer
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.client import Client
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from rclpy.publisher import Publisher
from rclpy.service import Service
from rclpy.subscription import Subscription
from rclpy.timer import Timer

from .bounded_subscription import BoundedSubscription
from .parameters import ParameterError
from .running import ClosableNode, StartError, StartFault

_AUTOSTART = 0.01  # s after the node began to spin


class ManagedNode(LifecycleNodeMixin, ClosableNode):
    """A node that a supervisor, or it itself, configures, activates, deactivates and cleans up.

    Subclasses define what the transitions do. What goes wrong is logged with its reason: a node
    that cannot be configured stays `unconfigured`, one that cannot be activated stays `inactive`,
    and after a fault of the program everything is released and it is `unconfigured`.

    The life cycle's services answer during a transition where the node spins in several threads.
    """

    def __init__(self, name: str) -> None:
        """Create the node, unconfigured."""
        ClosableNode.__init__(self, name)  # type: ignore[call-arg]
        group = ReentrantCallbackGroup()
        LifecycleNodeMixin.__init__(self, callback_group=group)
        change = self._service_change_state
        change.callback = self._refusing(change.callback)
        self.is_active = False
        self._failure: StartError | None = None  # of the last transition
        self._lasting: set[Any] = set()

    def start_by_itself(self) -> None:
        """Configure and activate as soon as the node spins; a refusal ends the process."""
        self._starter = self.create_timer(
            _AUTOSTART,
            self._start,
            MutuallyExclusiveCallbackGroup(),
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )

    # What subclasses do. Each may raise StartError, with a reason for the user.

    def configure(self) -> None:
        """Acquire everything; nothing moves and nothing is published."""

    def activate(self) -> None:
        """Start to work."""

    def deactivate(self) -> None:
        """Stop to work; returns when it has stopped."""

    def cleanup(self) -> None:
        """Release what topics and services do not show; also after a failed `configure`."""

    # What rclpy calls.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Configure; on failure release what was acquired."""
        self._lasting = self._entities()
        done = self._attempt("configure", self.configure)
        if done != TransitionCallbackReturn.SUCCESS:
            self._release()
        return done

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Activate."""
        done = self._attempt("activate", self.activate)
        self.is_active = done == TransitionCallbackReturn.SUCCESS
        return done

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Deactivate."""
        self.is_active = False
        return self._attempt("deactivate", self.deactivate)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Clean up."""
        return self._attempt("clean up", self._release)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and release everything, for good."""
        return self._attempt("shut down", self._release)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release everything after a fault; the node can be configured again."""
        return self._attempt("release", self._release)

    def _release(self) -> None:
        if self.is_active:
            self.is_active = False
            self.deactivate()
        for entity in self._entities() - self._lasting:
            self._destroy(entity)
        self.cleanup()

    def _entities(self) -> set[Any]:
        """Return all topics, services, actions and timers of the node."""
        return {
            *self.publishers,
            *self.subscriptions,
            *self.services,
            *self.clients,
            *self.timers,
            *self.waitables,
        }

    def _destroy(self, entity: Any) -> None:
        for kind, destroy in (
            (Publisher, self.destroy_publisher),
            (Subscription, self.destroy_subscription),
            (Service, self.destroy_service),
            (Client, self.destroy_client),
            (Timer, self.destroy_timer),
        ):
            if isinstance(entity, kind):
                destroy(entity)
                return
        if isinstance(entity, (ActionClient, ActionServer, BoundedSubscription)):
            entity.destroy()

    def _start(self) -> None:
        self._starter.cancel()
        for step in (self.trigger_configure, self.trigger_activate):
            try:
                done = step() == TransitionCallbackReturn.SUCCESS
            except RuntimeError:  # see _refusing
                done = False
            if not done:
                self.start_error = self._failure or StartError("another transition came first")
                return

    def _refusing(self, change: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """Return a callback of ~/change_state that answers no where rclpy raises.

        Up to Jazzy rclpy raises RCLError, a RuntimeError, for a transition that the present state
        does not have; nobody would catch it, and the node would end.
        """

        def answer(request: Any, response: Any) -> Any:
            try:
                return change(request, response)
            except RuntimeError as error:
                self.get_logger().error(f"transition refused: {error}")
                response.success = False
                return response

        return answer

    def _attempt(self, what: str, act: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            act()
        except (ParameterError, StartError) as error:
            # Not the error itself: its traceback would keep what was loaded so far.
            kind = type(error) if isinstance(error, StartError) else StartError
            self._failure = kind(str(error))
            self.get_logger().error(f"cannot {what}: {error}")
            return TransitionCallbackReturn.FAILURE
        except Exception as error:  # noqa: BLE001 - rclpy would drop it without a word
            self._failure = StartFault(f"{type(error).__name__}: {error}")
            self.get_logger().error(f"cannot {what}:\n{traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS
