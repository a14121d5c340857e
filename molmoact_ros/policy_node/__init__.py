# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The policy as a ROS node: cameras and instructions in, reasoning and action chunks out."""
