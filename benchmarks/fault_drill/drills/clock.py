# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A simulated clock that stops, jumps, runs ten times faster, or is nonsense."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..drill import Attempt, drill
from ..rig import HALTED, Rig

_FEED: Mapping[str, Any] = {"rate": 5.0, "velocity": [0.2, 0.05], "flip": 6}
_STOPPED = 1.5  # s
# The judge cannot go by stamps, nor compare places at one stamp, while the clock is tampered with.
_EXPECT = {"stamps": False, "places": False}


def _goes_on(rig: Rig, name: str) -> None:
    """Mend the clock and check that motion comes back."""
    rig.arm.ask(timing={})
    if rig.state == HALTED:
        rig.prepare()
        rig.feeder.ask(**_FEED)
    rig.attempt.figures[f"{name}: moves again after s"] = round(
        rig.until(lambda: rig.speed() > 0.3, f"motion after: {name}"), 2
    )


@drill(quick=True)
def simulated_clock(attempt: Attempt) -> None:
    """/clock stands still, falls silent, jumps to and fro, and is -1."""
    cases: Mapping[str, Mapping[str, Any]] = {
        "-1 s": {"timing": {"raw": [-1, 0]}},
        "stands still": {"timing": {"factor": 0.0}},
        "silent": {"timing": {"silent": True}},
        "-2^31 s": {"timing": {"raw": [-(2**31), 0]}},
    }
    with Rig(attempt, expect=_EXPECT, use_sim_time=True) as rig:
        rig.prepare()
        rig.feeder.ask(**_FEED)
        for name in list(cases)[: 2 if attempt.quick else None]:
            rig.until_moving()
            rig.arm.ask(**cases[name])
            begin = time.monotonic()
            while rig.speed() > 0.0 and time.monotonic() - begin < 2.0 * _STOPPED:
                time.sleep(0.005)
            stopped = time.monotonic() - begin
            attempt.figures[f"{name}: at rest after s"] = round(stopped, 2)
            attempt.check(stopped < _STOPPED, f"{name}: at rest after {stopped:.2f} s")
            _goes_on(rig, name)
        for seconds in (100.0, -100.0):
            rig.until_moving()
            rig.arm.ask(jump_clock=seconds)
            time.sleep(0.5)
            _goes_on(rig, f"jump of {seconds:g} s")


@drill()
def ten_times_faster(attempt: Attempt) -> None:
    """/clock runs ten times faster, then a tenth as fast."""
    with Rig(attempt, expect={"places": False}, use_sim_time=True) as rig:
        rig.prepare()
        for factor in (10.0, 0.1):
            rig.arm.ask(timing={"factor": factor})
            rig.feeder.ask(**{**_FEED, "rate": 5.0 * factor})
            rig.until_moving(0.1)
            time.sleep(5.0)
        _goes_on(rig, "ten times faster")
