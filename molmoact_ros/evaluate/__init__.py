# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Measures success rates of a checkpoint, through the real ROS graph or in one process."""
