# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The old place of `molmoact_ros.policy`."""

from molmoact_ros.moved import warn_of_move
from molmoact_ros.policy.types import Observation as Observation
from molmoact_ros.policy.types import Reasoning as Reasoning

warn_of_move(__name__, "molmoact_ros.policy")
