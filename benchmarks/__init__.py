# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks: not tests; each writes into results/ (python -m benchmarks.NAME)."""
