# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The demonstration: simulator, policy and executor as separate processes, watched and recorded."""
