# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What keeps a checkpoint from being trained: one sentence that names the file and what to do."""

from __future__ import annotations


class FinetuneError(ValueError):
    """The training cannot begin or go on."""
