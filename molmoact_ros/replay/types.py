# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""ROS messages without ROS: those of Jazzy and those of this package, from their definitions."""

from __future__ import annotations

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from molmoact_ros.share import share

PACKAGE = "molmoact_ros"
_OWN_MESSAGES = ("ActionChunk", "ActionReasoning", "DepthTokens", "Trajectory2D")


def message_types() -> Typestore:
    """Return the message types; image, string and header have been the same since Foxy.

    Raises:
        FileNotFoundError: The package is neither run from the source tree nor installed.
    """
    types = get_typestore(Stores.ROS2_JAZZY)
    for name in _OWN_MESSAGES:
        text = (share() / "msg" / f"{name}.msg").read_text(encoding="utf-8")
        types.register(get_types_from_msg(text, f"{PACKAGE}/msg/{name}"))
    return types
