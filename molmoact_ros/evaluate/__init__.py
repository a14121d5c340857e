# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Measures how often a checkpoint does what it is told, through the real ROS graph."""
