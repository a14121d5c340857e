# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Statistics that several tests share."""

from typing import Any

import pytest


@pytest.fixture
def norm_stats() -> dict[str, Any]:
    """One data set with seven dimensions."""
    return {
        "robot": {
            "action": {
                "q01": [-0.1, -0.2, -0.3, -1.0, -1.0, -1.0, 0.0],
                "q99": [0.1, 0.2, 0.3, 1.0, 1.0, 1.0, 1.0],
            }
        }
    }
