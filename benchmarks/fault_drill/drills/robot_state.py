# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Measured poses and joint states that are absent, wrong, late, or too many."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..drill import Attempt, drill
from ..limits import read_limits
from ..profiles import joint_robot
from ..rig import HALTED, Rig

_STOPPED = 1.0  # s; state_timeout 0.2, a ramp of 0.2, and a busy machine
_WATCHED = 1.0  # s that a harmless fault is watched


def _stops(rig: Rig, feed: Mapping[str, Any], name: str, reports: Mapping[str, Any]) -> None:
    """Check that motion ends with the fault, and begins again after it without a person."""
    rig.until_moving()
    rig.arm.ask(reports=reports)
    begin = time.monotonic()
    while rig.speed() > 0.0 and time.monotonic() - begin < 3.0 * _STOPPED:
        time.sleep(0.005)
    stopped = time.monotonic() - begin
    rig.attempt.figures[f"{name}: at rest after s"] = round(stopped, 2)
    rig.attempt.check(stopped < _STOPPED, f"{name}: at rest after {stopped:.2f} s")
    rig.arm.ask(reports={})
    if rig.state == HALTED:
        rig.prepare()
        rig.feeder.ask(**feed)
    rig.until_moving()


@drill(quick=True)
def poses(attempt: Attempt) -> None:
    """Poses: silent, repeated, not finite, impossible, early, late, in another frame, jumping."""
    feed = {"rate": 5.0, "velocity": [0.2, 0.05, 0.0, 0.0, 0.0, 0.2], "flip": 6}
    cases: dict[str, Mapping[str, Any]] = {
        "silent": {"silent": True},
        "repeated": {"repeat": True},
        "NaN": {"spoil": "nan"},
        "infinite": {"spoil": "inf"},
        "orientation of zeros": {"spoil": "zeros"},
        "5 s old": {"late": 5.0},
        "from the future": {"late": -5.0},
        "in another frame": {"frame": "world"},
        "1 m off": {"jump": 1.0},
    }
    with Rig(attempt, expect={"places": False}) as rig:
        rig.prepare()
        rig.feeder.ask(**feed)
        for name in list(cases)[: 4 if attempt.quick else None]:
            _stops(rig, feed, name, cases[name])


@drill()
def poses_at_2_khz(attempt: Attempt) -> None:
    """Poses at 2 kHz do not disturb the loop."""
    with Rig(attempt) as rig:
        rig.prepare()
        rig.feeder.ask(rate=5.0, velocity=[0.2], flip=6)
        rig.until_moving()
        rig.arm.ask(reports={"copies": 20})
        gaps = rig.gaps(5.0)
        attempt.figures["longest gap ms"] = round(1e3 * gaps["received"], 1)
        attempt.check(gaps["rate"] > 95.0, f"{gaps['rate']:.1f} commands per s")


@drill()
def joint_states(attempt: Attempt) -> None:
    """Joint states: reordered, with many further joints, incomplete, not finite, silent."""
    path = joint_robot("forward velocity", attempt.folder)
    limits = read_limits(path)
    velocity = np.array([0.3 * group.speed for group in limits.groups]).tolist()
    feed = {"rate": 5.0, "velocity": velocity, "flip": 5}
    harmless = {
        "reversed": {"order": "reversed"},
        "shuffled": {"order": "shuffled"},
        "500 further joints": {"extra": 500},
    }
    harmful: dict[str, Mapping[str, Any]] = {
        "20,000 further joints": {"extra": 20_000},
        "one joint is missing": {"missing": 1},
        "all joints are missing": {"missing": len(limits.joints)},
        "NaN": {"spoil": "nan"},
        "silent": {"silent": True},
        "repeated": {"repeat": True},
    }
    with Rig(attempt, path, expect={"places": False}) as rig:
        rig.prepare()
        rig.feeder.ask(**feed)
        for name, reports in harmless.items():
            rig.until_moving(0.15)
            rig.arm.ask(reports=reports)
            gaps = rig.gaps(_WATCHED)
            attempt.figures[f"{name}: longest gap ms"] = round(1e3 * gaps["received"], 1)
            attempt.check(rig.state != HALTED, f"{name}: halted, {rig.reason}")
            rig.until_moving(0.15)
            rig.arm.ask(reports={})
        for name, fault in harmful.items():
            _stops(rig, feed, name, fault)
