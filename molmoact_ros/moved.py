# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Old places of modules keep working for launch files and programs that were copied."""

import warnings


def warn_of_move(old: str, new: str) -> None:
    """Name the new place of a module to whoever imports it from the old one."""
    text = f"{old} works until version 0.2.0: import from {new}"
    warnings.warn(text, DeprecationWarning, stacklevel=3)
