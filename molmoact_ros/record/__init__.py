# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Episodes of a robot that somebody moves, one bag each: what is recorded, and the recorder."""
