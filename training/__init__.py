# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Makes the small checkpoint of checkpoints/tabletop: see training/README.md."""
