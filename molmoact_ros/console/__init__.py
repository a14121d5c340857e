# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The console: a web page to see, instruct, steer and stop the robot."""
