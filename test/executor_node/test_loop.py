# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""When the loop has to run again."""

from __future__ import annotations

import pytest

from molmoact_ros.executor_node.loop import Pacer


def test_pacer_keeps_the_grid_and_drops_what_is_missed() -> None:
    pacer = Pacer(0.01)
    assert pacer.start(1.0, 50.0) == 0.0
    assert pacer.wait(1.004) == pytest.approx(0.006)
    assert pacer.start(1.012, 50.012) == pytest.approx(0.002)
    assert pacer.wait(1.013) == pytest.approx(0.007), "the grid did not move"
    assert pacer.start(1.070, 50.070) == pytest.approx(0.050)
    assert pacer.wait(1.070) == pytest.approx(0.010), "five missed starts do not pile up"
    assert pacer.statistics().jitter == pytest.approx(0.050)
    assert pacer.statistics().real_time_factor == pytest.approx(1.0)
