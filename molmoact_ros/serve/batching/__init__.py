# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One network for many robots: every pass is shared by all running answers."""

from molmoact_ros.policy.loaded_checkpoint import LoadedCheckpoint
from molmoact_ros.policy.session_settings import SessionSettings

from .scheduler import AnswerScheduler, Step
from .session import Session, SessionBusyError, TooManySessionsError

__all__ = [
    "AnswerScheduler",
    "LoadedCheckpoint",
    "Session",
    "SessionBusyError",
    "SessionSettings",
    "Step",
    "TooManySessionsError",
]
