# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Loads the policy in a thread of its own: with progress, and given up when the node ends."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from molmoact_ros.faults import DeviceLostError, DeviceMemoryError, StoppedError
from molmoact_ros.policy.interface import Policy
from molmoact_ros.ros.running import StartError, StartFault
from molmoact_ros.small_files import one_line

from .checkpoint import checkpoint_path, load_node_policy
from .parameters import PolicyParameters, camera_topics

if TYPE_CHECKING:
    from rclpy.impl.rcutils_logger import RcutilsLogger

    from molmoact_ros.model.loading import LoadProgress

_LOG_PERIOD = 5.0  # s
_POLL = 0.1  # s


@dataclass(frozen=True)
class _Stage:
    """What is being done: its name, how far it is where that is known, and since when (s)."""

    name: str = ""
    detail: str = ""
    begin: float = field(default_factory=time.monotonic)


class PolicyLoader:
    """Loads one policy at a time."""

    def __init__(self, logger: RcutilsLogger, node: str) -> None:
        """Prepare.

        Args:
            logger: Receives progress messages.
            node: Full name of the node, for a policy server.
        """
        self._logger = logger
        self._node = node
        self._cancelled = threading.Event()
        self._thread: threading.Thread | None = None
        self._stage = _Stage()

    @property
    def progress(self) -> str:
        """What happens now, for a person; empty while nothing is loaded."""
        stage = self._stage
        seconds = time.monotonic() - stage.begin
        return f"{stage.name}: {stage.detail or f'{seconds:.0f} s so far'}" if stage.name else ""

    @property
    def is_busy(self) -> bool:
        """Whether the thread runs; it can outlive `load` for as long as torch does not return."""
        return self._thread is not None and self._thread.is_alive()

    def cancel(self) -> None:
        """End a load, and all later ones."""
        self._cancelled.set()

    def load(self, parameters: PolicyParameters) -> Policy:
        """Load and warm up; other threads go on meanwhile.

        Raises:
            DeviceLostError: The device failed for good.
            StartError: The checkpoint cannot be loaded, the server refuses the robot, or `cancel`
                was called.
        """
        check_source(parameters)
        outcome: list[Policy | Exception] = []

        def work() -> None:
            try:
                outcome.append(self._load(parameters))
            except Exception as error:  # noqa: BLE001 - handed to the waiting thread
                outcome.append(error)

        self._stage = _Stage(
            f"connecting to {parameters.server}"
            if parameters.server
            else "loading torch and checking the checkpoint"
        )
        self._thread = threading.Thread(target=work, name="loading", daemon=True)
        self._thread.start()
        logged, next_log = "", 0.0
        while self._thread.is_alive() and not self._cancelled.is_set():
            if self._stage.name != logged or time.monotonic() >= next_log:
                logged, next_log = self._stage.name, time.monotonic() + _LOG_PERIOD
                self._logger.info(self.progress)
            self._thread.join(_POLL)
        self._stage = _Stage()
        if not outcome or self._cancelled.is_set():
            raise StartError("loading was cancelled")
        result = outcome.pop()
        if isinstance(result, Exception):
            raise result
        return result

    def _load(self, parameters: PolicyParameters) -> Policy:
        try:
            if parameters.server:
                return self._connect(parameters)
            return self._load_here(parameters)
        except StoppedError as error:
            raise StartError("loading was cancelled") from error

    def _connect(self, parameters: PolicyParameters) -> Policy:
        from .server import connect_policy

        stage = self._stage

        def show(problem: str) -> None:
            self._stage = replace(stage, detail=problem)

        warn, is_cancelled = self._logger.warning, self._cancelled.is_set
        return connect_policy(parameters, self._node, show, is_cancelled, warn)

    def _load_here(self, parameters: PolicyParameters) -> Policy:
        policy = load_node_policy(parameters, self._on_progress, self._logger.warning)
        self._stage = _Stage("warming up")
        start = time.monotonic()
        try:
            n_images = len(camera_topics(parameters, policy.profile))
            policy.warm_up(n_images, self._cancelled.is_set)
        except (DeviceLostError, StoppedError):
            raise
        except DeviceMemoryError as error:
            raise StartFault(str(error)) from error
        except (RuntimeError, ValueError, MemoryError) as error:
            kind = StartError if isinstance(error, ValueError) else StartFault
            raise kind(f"the policy cannot be warmed up: {one_line(error)}") from error
        self._logger.info(f"warmed up in {time.monotonic() - start:.1f} s")
        for warning in policy.pass_report.warnings if policy.pass_report else ():
            self._logger.warning(warning)
        return policy

    def _on_progress(self, progress: LoadProgress) -> None:
        if self._cancelled.is_set():
            raise StartError("loading was cancelled")
        self._stage = _Stage("loading the checkpoint", str(progress))


def check_source(parameters: PolicyParameters) -> None:
    """Refuse what names no policy, without a look at a checkpoint's files or at the network.

    Raises:
        StartError: There is no checkpoint directory, the server's address is none, or both or
            neither are given.
    """
    if parameters.checkpoint and parameters.server:
        raise StartError(
            f"parameters 'checkpoint' ('{parameters.checkpoint}') and 'server' "
            f"('{parameters.server}'): give one of them; a server has its own checkpoint"
        )
    if parameters.server:
        from .server import server_address

        server_address(parameters)
    else:
        checkpoint_path(parameters)
