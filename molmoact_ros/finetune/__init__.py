# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Training on data sets of one robot: `molmoact-finetune`, and the core of training/."""
