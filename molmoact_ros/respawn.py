# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The old place of `molmoact_ros.launching.respawn`."""

from molmoact_ros.launching.respawn import OnExit as OnExit
from molmoact_ros.launching.respawn import Pauses as Pauses
from molmoact_ros.launching.respawn import respawned as respawned
from molmoact_ros.moved import warn_of_move

warn_of_move(__name__, "molmoact_ros.launching.respawn")
