# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From recorded bags to a LeRobotDataset v3 with depth codes and trajectories. No ROS in it."""
