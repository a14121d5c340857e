# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Settings of Fast DDS with which raw images arrive, unless the user has settings of their own."""

from __future__ import annotations

import os

from molmoact_ros.share import share

_SHARED_MEMORY = 512 << 20  # bytes that /dev/shm must have free for the image transport
# Where Fast DDS looks for its settings; renamed after Jazzy.
_OLD_DISTROS = ("humble", "iron", "jazzy")
_OLD_PROFILE, _PROFILE = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"


def image_settings() -> dict[str, str]:
    """Return environment variables for processes that exchange raw images; {}: leave all as is."""
    chosen = _OLD_PROFILE in os.environ or _PROFILE in os.environ
    if chosen or _free_shared_memory() < _SHARED_MEMORY:
        return {}
    old = os.environ.get("ROS_DISTRO") in _OLD_DISTROS
    return {_OLD_PROFILE if old else _PROFILE: str(share() / "config" / "fastdds.xml")}


def _free_shared_memory() -> int:
    try:
        status = os.statvfs("/dev/shm")
    except OSError:
        return 0
    return status.f_bavail * status.f_frsize
