# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Checks of the engine on the machine where it shall run: exactness, speed and memory."""
