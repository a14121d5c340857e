# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Definitions of message types that a bag has to hold, from where ROS has installed them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from rosbags.typesys import get_types_from_msg
from rosbags.typesys.store import Typestore


def know(types: Typestore, kind: str) -> None:
    """Add a message type, and those that it is made of, unless they are known.

    Args:
        types: Message types.
        kind: For example ``control_msgs/msg/DynamicJointState``.

    Raises:
        LookupError: Its definition is not installed.
    """
    if kind in types.fielddefs:
        return
    package, _, name = kind.split("/")
    text = _file(package, name, kind).read_text(encoding="utf-8")
    found = get_types_from_msg(text, kind)
    for _, fields in found.values():
        for _, described in fields:
            for inner in _names(described):
                if inner not in found:
                    know(types, inner)
    types.register(found)


def _file(package: str, name: str, kind: str) -> Path:
    prefixes = [*os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep), sys.prefix]
    for prefix in filter(None, prefixes):
        path = Path(prefix) / "share" / package / "msg" / f"{name}.msg"
        if path.is_file():
            return path
    raise LookupError(f"the definition of {kind} is not installed: source its workspace")


def _names(described: Any) -> list[str]:
    """Return the message types in the description of a field, which nests."""
    if isinstance(described, str):
        return [described] if described.count("/") == 2 else []
    if isinstance(described, tuple):
        return [name for part in described for name in _names(part)]
    return []
