# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The executor as a ROS node: action chunks in, bounded commands out, in a process of its own."""
