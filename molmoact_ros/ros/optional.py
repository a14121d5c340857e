# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Packages that only some robots need."""

from __future__ import annotations

import importlib
from typing import Any


class MissingPackage(RuntimeError):
    """Something was asked for that needs a package that is not installed; the text names it."""


def import_optional(module: str, name: str, needed_by: str) -> Any:
    """Return `name` of a message module such as `control_msgs.msg`.

    Args:
        module: Python module.
        name: Message, service or action in it.
        needed_by: What asks for it, e.g. a key of the robot profile.

    Raises:
        MissingPackage: Not installed, or a version that does not have it.
    """
    package = module.partition(".")[0]
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError:
        apt = f"ros-$ROS_DISTRO-{package.replace('_', '-')}"
        raise MissingPackage(
            f"{needed_by}: needs the package {package}; install it with: sudo apt install {apt}"
        ) from None
    except AttributeError:
        raise MissingPackage(
            f"{needed_by}: {module} has no {name} in this ROS distribution"
        ) from None
