# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where the tests' data are; pytest and mypy find this module by pyproject.toml."""

from pathlib import Path

DATA = Path(__file__).parent
GOLDEN = DATA / "golden"
"""Outputs of the reference, and the tiny checkpoints that it made them with."""
CHECKPOINT = GOLDEN / "qwen_siglip"
