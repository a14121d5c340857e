# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Log lines of the executor: changes that matter to a person, not a line for every chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molmoact_ros.control import State, Status

if TYPE_CHECKING:
    from rclpy.impl.rcutils_logger import RcutilsLogger

_CHUNKS = 60.0  # s; of the chunks that are executed, one is logged in this time


class ExecutorLog:
    """Decides what is logged at which level."""

    def __init__(self, logger: RcutilsLogger) -> None:
        self._logger = logger
        self._done = 0  # chunks that no newer one followed, when a change was logged last

    def change(self, status: Status) -> None:
        """Log another state or another reason for it."""
        line = f"{status.state.name}: {status.reason}"
        done = status.counters["stopped_no_chunk"]
        if status.state is State.EXECUTING:
            self._logger.info(line, throttle_duration_sec=_CHUNKS)
        elif status.state in (State.STOPPING, State.READY) and done > self._done:
            self._logger.debug(line)  # the rest between two chunks
            return
        else:
            self._logger.info(line)
        self._done = done

    def person_refused(self, reason: str, *, not_enabled: bool) -> None:
        """Log a command of a person that is not followed."""
        if not_enabled:
            self._logger.info(reason, once=True)
        else:
            self._logger.warning(reason, throttle_duration_sec=2.0)

    def refusal(self, reason: str, *, not_enabled: bool) -> None:
        """Log a chunk that is not executed; an executor that is not enabled is no fault."""
        if not_enabled:
            self._logger.info(f"{reason}: chunks are only looked at", once=True)
        else:
            self._logger.warning(reason, throttle_duration_sec=2.0)
