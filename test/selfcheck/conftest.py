# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A network of the released form that a CPU runs in milliseconds."""

import json

import pytest
from golden_files import GOLDEN

from molmoact_ros.model import MolmoActConfig


@pytest.fixture(params=["qwen_siglip", "olmo_clip"])
def small_config(request: pytest.FixtureRequest) -> MolmoActConfig:
    """Return a small network like 7B-D, and one like 7B-O."""
    content = json.loads((GOLDEN / request.param / "config.json").read_text())
    content["initializer_range"] = 0.2
    return MolmoActConfig.from_dict(content)
