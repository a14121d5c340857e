# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""No process outlives the one that started it, however that one ends."""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1  # Linux: signal to a process whose parent has died
# Found here: between fork and exec another thread could hold the loader's lock for ever.
_PRCTL = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies; elsewhere nothing happens."""
    if _PRCTL is not None:
        _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)
