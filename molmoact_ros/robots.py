# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The old place of `molmoact_ros.control.robot_profile`."""

from molmoact_ros.control.robot_profile import robot_path as robot_path
from molmoact_ros.moved import warn_of_move

warn_of_move(__name__, "molmoact_ros.control.robot_profile")
