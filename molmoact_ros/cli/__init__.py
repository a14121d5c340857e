# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Commands for a person at a terminal; each module has a `main`."""
