# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A sample of benchmarks/executor_fuzz.py; the whole of it throws 100,000 chunks."""

import numpy as np
import pytest

from benchmarks.executor_fuzz import NAMES, VELOCITIES, Fuzz, fuzz_profile


@pytest.mark.parametrize("name", NAMES)
def test_no_command_leaves_its_limits(name):
    tally = Fuzz(fuzz_profile(name), seed=1).run(300)
    assert tally.violations == []
    assert tally.counters["accepted"] > 40 and tally.commands > 800
    assert tally.counters["halted_internal"] == 0
    assert max(tally.nearest.values()) > 0.999, "the limits were reached"


def test_the_fuzz_sees_a_violation(monkeypatch):
    """A limiter that lets everything pass is found out, by the audit and by the fuzz."""
    fuzz = Fuzz(fuzz_profile(VELOCITIES), seed=1)
    joints = fuzz.executor._motion.mover._joints
    monkeypatch.setattr(
        joints, "next", lambda position, velocity, wanted: (2.0 * wanted, (0, 0, 0))
    )
    monkeypatch.setattr(fuzz.executor._audit, "fault", lambda *_: None)
    assert any("acceleration" in violation for violation in fuzz.run(100).violations)
    monkeypatch.undo()
    fuzz = Fuzz(fuzz_profile(VELOCITIES), seed=1)
    joints = fuzz.executor._motion.mover._joints
    monkeypatch.setattr(joints, "next", lambda p, v, w: (np.full_like(w, 9.0), (0, 0, 0)))
    tally = fuzz.run(100)
    assert tally.violations == [] and tally.counters["halted_internal"] > 0
