# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What all nodes share: life cycle, threads, parameters, diagnostics, QoS, messages."""
