# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What launch files use; only `launch_file` and `respawn` need the launch packages."""

from typing import Any

from molmoact_ros.moved import warn_of_move

_MOVED = (
    "LaunchError", "description", "end_all", "end_all_if_misconfigured", "full_name", "is_true",
    "require_package", "typed",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    """Return what `launch_file` has; it was this module."""
    if name not in _MOVED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from molmoact_ros.launching import launch_file

    warn_of_move(__name__, launch_file.__name__)
    return getattr(launch_file, name)
