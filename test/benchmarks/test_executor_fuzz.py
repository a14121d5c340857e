# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A sample of benchmarks/executor_fuzz.py; the whole of it throws 100,000 chunks."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.executor_fuzz import NAMES, VELOCITIES, Fuzz, fuzz_profile
from molmoact_ros.control import commanded
from molmoact_ros.control.motion import Clamps, Joints


@pytest.mark.parametrize("name", NAMES)
def test_no_command_leaves_its_limits(name: str) -> None:
    tally = Fuzz(fuzz_profile(name), seed=1).run(300)
    assert tally.violations == []
    assert tally.counters["accepted"] > 40 and tally.commands > 800
    assert tally.counters["teleop_accepted"] > 20
    assert tally.counters["halted_internal"] == 0
    assert max(tally.nearest.values()) > 0.999, "the limits were reached"


def test_a_limiter_that_does_not_limit_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the audit, which halts the motion, and without the audit by the fuzz."""

    def no_limits(self: Joints, position: Any, velocity: Any, wanted: Any) -> tuple[Any, Clamps]:
        return 2.0 * wanted, Clamps()

    monkeypatch.setattr(Joints, "next", no_limits)
    tally = Fuzz(fuzz_profile(VELOCITIES), seed=1).run(100)
    assert tally.violations == [] and tally.counters["halted_internal"] > 0
    monkeypatch.setattr(commanded, "command_fault", lambda *_: None)
    tally = Fuzz(fuzz_profile(VELOCITIES), seed=1).run(100)
    assert any("acceleration" in violation for violation in tally.violations)
