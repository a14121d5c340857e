# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""ROS 2 beside the nodes: messages, images, QoS, parameters, diagnostics, frame matching."""
