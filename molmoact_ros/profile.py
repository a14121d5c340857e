# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The old place of `molmoact_ros.policy.checkpoint_profile`."""

from molmoact_ros.moved import warn_of_move
from molmoact_ros.policy import checkpoint_profile
from molmoact_ros.policy.checkpoint_profile import GENERIC as GENERIC
from molmoact_ros.policy.checkpoint_profile import CheckpointProfile as CheckpointProfile
from molmoact_ros.policy.checkpoint_profile import choose_profile as choose_profile
from molmoact_ros.policy.checkpoint_profile import profile_directory as profile_directory

load_profile = checkpoint_profile.load_checkpoint_profile
load_profiles = checkpoint_profile.load_checkpoint_profiles

warn_of_move(__name__, "molmoact_ros.policy.checkpoint_profile")
