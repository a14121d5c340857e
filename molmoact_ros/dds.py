# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The old place of `molmoact_ros.launching.dds`."""

from molmoact_ros.launching.dds import image_settings as image_settings
from molmoact_ros.moved import warn_of_move

warn_of_move(__name__, "molmoact_ros.launching.dds")
