# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What launch files use; only `description` and `respawn` need the launch packages."""
