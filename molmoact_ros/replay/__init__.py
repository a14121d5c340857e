# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The policy over a recorded rosbag2, without ROS: video, tables and a bag of answers."""

from molmoact_ros.replay.bag import Bag, BagError, Topic, choose_images, choose_instruction
from molmoact_ros.replay.run import Replay, ReplayAnswer, ReplayPolicy, ReplaySettings

__all__ = [
    "ReplayAnswer",
    "Bag",
    "BagError",
    "Replay",
    "ReplayPolicy",
    "ReplaySettings",
    "Topic",
    "choose_images",
    "choose_instruction",
]
