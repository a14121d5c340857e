# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Trajectories in 3D for RViz and Foxglove, as a ROS node."""
