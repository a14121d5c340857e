# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Images and prompts to model input: resizing, tiling, tokenizing."""

from .processor import MolmoActProcessor
from .settings import ImageSettings

__all__ = ["ImageSettings", "MolmoActProcessor"]
