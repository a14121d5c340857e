# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""For launch files: a node that is started again after it has died, later each time.

launch's own respawn waits equally long each time: too long after a slip, too short while the GPU's
memory is taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from molmoact_ros.ros.running import CONFIGURATION_ERROR

if TYPE_CHECKING:
    from launch import Action, LaunchContext
    from launch.actions import OpaqueFunction
    from launch.events.process import ProcessExited
    from launch_ros.actions import Node

OnExit = Callable[[Any, Any], "list[Action]"]
"""What launch does when a process has exited: of its ProcessExited and LaunchContext."""


class Pauses:
    """How long to wait before each start: twice as long as before, up to a longest pause."""

    def __init__(self, first: float = 1.0, longest: float = 60.0, healthy: float = 300.0) -> None:
        """Begin with the first pause.

        Args:
            first: s.
            longest: s.
            healthy: s; a node that has run for that long begins with the first pause again.
        """
        self._first, self._longest, self._healthy = first, longest, healthy
        self._next = first

    def after(self, lived: float) -> float:
        """Return the pause, s, after a life of `lived` s."""
        pause = self._first if lived >= self._healthy else self._next
        self._next = min(2.0 * pause, self._longest)
        return pause


def respawned(create: Callable[[OnExit], Node], end: OnExit) -> OpaqueFunction:
    """Return an action that starts a node, and again whenever it ends with a fault.

    A node that ends with exit code 0 was stopped; it stays away, as does every node when launch
    shuts down. No other start helps a node whose settings are wrong.

    Args:
        create: Returns the node's action, a new one each time, because launch runs an action only
            once; is given what happens when the node exits.
        end: Happens when the settings are wrong.
    """
    # Here, because there is no launch where the pauses are tested.
    from launch.actions import GroupAction, LogInfo, OpaqueFunction, TimerAction

    pauses = Pauses()

    def start(context: LaunchContext) -> list[Action]:
        born = time.monotonic()
        # Namespace and variables that the files and groups around the node have set are gone when
        # it dies.
        scope, environment = dict(context.launch_configurations), dict(context.environment)

        def restore(later: LaunchContext) -> None:
            later.launch_configurations.update(scope)
            later.environment.update(environment)

        def restart(event: ProcessExited, later: LaunchContext) -> list[Action]:
            if event.returncode == CONFIGURATION_ERROR:
                return end(event, later)
            if event.returncode == 0 or later.is_shutdown:
                return []
            pause = pauses.after(time.monotonic() - born)
            again = GroupAction([OpaqueFunction(function=f) for f in (restore, start)])
            return [
                LogInfo(msg=f"{event.process_name} has died and is started again in {pause:g} s"),
                TimerAction(period=pause, actions=[again]),
            ]

        return [create(restart)]

    return OpaqueFunction(function=start)
