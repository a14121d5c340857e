# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Loads the policy in a thread of its own: with progress, and given up when the node ends."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from .policy_setup import PolicyParameters, camera_topics, load_policy
from .running import StartError

if TYPE_CHECKING:
    from rclpy.impl.rcutils_logger import RcutilsLogger

    from molmoact_ros.model.loading import LoadProgress
    from molmoact_ros.policy import MolmoActPolicy

_LOG_PERIOD = 2.0  # s
_POLL = 0.1  # s


class PolicyLoader:
    """Loads one policy at a time.

    Attributes:
        progress: What happens now, for a person; empty while nothing is loaded.
    """

    def __init__(self, logger: RcutilsLogger) -> None:
        """Prepare.

        Args:
            logger: Hears the progress.
        """
        self._logger = logger
        self._cancelled = threading.Event()
        self._thread: threading.Thread | None = None
        self._next_log = 0.0
        self.progress = ""

    @property
    def is_busy(self) -> bool:
        """Whether the thread runs; it can outlive `load` for as long as torch does not return."""
        return self._thread is not None and self._thread.is_alive()

    def cancel(self) -> None:
        """End a load, and all later ones."""
        self._cancelled.set()

    def load(self, parameters: PolicyParameters) -> MolmoActPolicy:
        """Load and warm up; other threads go on meanwhile.

        Raises:
            StartError: The checkpoint can not be loaded, or `cancel` was called.
        """
        outcome: list[MolmoActPolicy | Exception] = []

        def work() -> None:
            try:
                outcome.append(self._load(parameters))
            except Exception as error:  # noqa: BLE001 - handed to the waiting thread
                outcome.append(error)

        self.progress, self._next_log = "loading torch", 0.0
        self._thread = threading.Thread(target=work, name="loading", daemon=True)
        self._thread.start()
        while self._thread.is_alive() and not self._cancelled.is_set():
            self._thread.join(_POLL)
        self.progress = ""
        if not outcome or self._cancelled.is_set():
            raise StartError("loading was cancelled")
        result = outcome.pop()
        if isinstance(result, Exception):
            raise result
        return result

    def _load(self, parameters: PolicyParameters) -> MolmoActPolicy:
        policy = load_policy(parameters, self._on_progress)
        # Here and not above: it loads torch, and a wrong path is told at once without.
        from molmoact_ros.decoding import StoppedError

        self._tell("warming up")
        start = time.monotonic()
        try:
            policy.warm_up(len(camera_topics(parameters, policy)), self._cancelled.is_set)
        except StoppedError as error:
            raise StartError("loading was cancelled") from error
        self._logger.info(f"warmed up in {time.monotonic() - start:.1f} s")
        return policy

    def _on_progress(self, progress: LoadProgress) -> None:
        if self._cancelled.is_set():
            raise StartError("loading was cancelled")
        self._tell(
            f"loading the checkpoint: {progress.bytes_done / 1e9:.1f} of "
            f"{progress.bytes_total / 1e9:.1f} GB, {progress.seconds_left:.0f} s left"
        )

    def _tell(self, progress: str) -> None:
        self.progress = progress
        now = time.monotonic()
        if now >= self._next_log:
            self._logger.info(progress)
            self._next_log = now + _LOG_PERIOD
