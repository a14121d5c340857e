# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The old place of `molmoact_ros.launching.start_checks`."""

from molmoact_ros.launching.start_checks import check_executor_node as check_executor_node
from molmoact_ros.launching.start_checks import check_markers_node as check_markers_node
from molmoact_ros.launching.start_checks import check_policy_node as check_policy_node
from molmoact_ros.launching.start_checks import check_simulator_node as check_simulator_node
from molmoact_ros.moved import warn_of_move

warn_of_move(__name__, "molmoact_ros.launching.start_checks")
