# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The shipped checkpoints in coarse number types: drafted answers are the plain ones."""

from pathlib import Path

import pytest
import torch

from benchmarks.agreement import measure, pictures

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"


@pytest.mark.long
@pytest.mark.parametrize("mode", ["bfloat16", "int8", "int4", "fp8"])
@pytest.mark.parametrize("name", ["tabletop", "tabletop_tail"])
def test_no_answer_differs(name: str, mode: str) -> None:
    pytest.importorskip("mujoco")
    if mode != "bfloat16":
        pytest.importorskip("torchao")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        row = measure(CHECKPOINTS / name, mode, pictures(4), "cpu")
    finally:
        torch.set_num_threads(threads)
    assert row["differ"] == 0
    assert row["more passes"] <= 0.05
