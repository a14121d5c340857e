# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""ROS messages without ROS: those of Jazzy and those of this package, from their definitions."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

PACKAGE = "molmoact_ros"
_OWN_MESSAGES = ("ActionChunk", "ActionReasoning", "DepthTokens", "Trajectory2D")


def message_types() -> Typestore:
    """Return the message types; image, string and header have been the same since Foxy.

    Raises:
        FileNotFoundError: The package's .msg files are neither in the source tree nor installed.
    """
    types = get_typestore(Stores.ROS2_JAZZY)
    folder = _definitions()
    for name in _OWN_MESSAGES:
        text = (folder / f"{name}.msg").read_text(encoding="utf-8")
        types.register(get_types_from_msg(text, f"{PACKAGE}/msg/{name}"))
    return types


def _definitions() -> Path:
    """Find the folder of the .msg files."""
    prefixes = [*os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep), sys.prefix]
    shares = [Path(prefix) / "share" / PACKAGE for prefix in prefixes if prefix]
    for folder in (Path(__file__).resolve().parents[2] / "msg", *(s / "msg" for s in shares)):
        if (folder / f"{_OWN_MESSAGES[0]}.msg").is_file():
            return folder
    raise FileNotFoundError(
        f"no {_OWN_MESSAGES[0]}.msg: run from the source tree, or install {PACKAGE} "
        "and set AMENT_PREFIX_PATH"
    )
