# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Halts at random moments: none is lost, and how long they take."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..drill import Attempt, drill
from ..measure import busy_cores
from ..rig import HALTED, Rig

_FEED: Mapping[str, Any] = {"rate": 5.0, "velocity": [0.25, 0.1], "flip": 2}
_FLOOD = 1000.0  # Hz
_LOADS = 3
# A ramp from 0.3 m/s at 1.5 m/s2 takes 0.2 s; the rest is for the call and a busy machine.
_ZERO = 0.5  # s


def _halt_often(attempt: Attempt, load: str) -> None:
    """Halt in motion, again and again, and note the times."""
    number = -(-attempt.halts // _LOADS)
    if attempt.quick:
        number = min(number, 5)
    random = np.random.default_rng(0)
    calls, answers, lost = [], [], 0
    with contextlib.ExitStack() as stack:
        if load == "loaded":
            stack.enter_context(busy_cores())
        rig = stack.enter_context(Rig(attempt, feeders=2))
        for _ in range(number):
            rig.prepare()
            rig.feeder.ask(**_FEED)
            if load == "flooded":
                rig.feeders[1].ask(rate=_FLOOD, garbage=1.0)
            rig.until_moving()
            time.sleep(float(random.uniform(0.0, 0.5)))
            begin = time.monotonic()
            future = rig.send("halt")
            while not future.done() and time.monotonic() - begin < 5.0:
                time.sleep(0.0005)
            calls.append(begin)
            answers.append(time.monotonic() - begin)
            end = time.monotonic() + 2.0
            while rig.state != HALTED and time.monotonic() < end:
                time.sleep(0.005)
            lost += not (future.done() and future.result().success and rig.state == HALTED)
            rig.feeders[1].ask()
        stops = rig.recorder.ask(do="stops", calls=calls)
    endless = sum(zero is None for _, zero in stops)
    motions = np.array([last for last, _ in stops])
    zeros = np.array([zero for _, zero in stops if zero is not None])
    attempt.figures |= {"halts": len(calls), "lost": lost + endless}
    for name, times in (("answer", answers), ("last motion", motions), ("zero", zeros)):
        if len(times):
            attempt.figures[f"{name} p50 ms"] = round(1e3 * float(np.median(times)), 1)
            attempt.figures[f"{name} max ms"] = round(1e3 * float(np.max(times)), 1)
    attempt.check(lost + endless == 0, f"{lost + endless} of {len(calls)} halts were lost")
    late = int((zeros > _ZERO).sum())
    attempt.check(late == 0, f"{late} of {len(calls)} halts took longer than {_ZERO} s to zero")


@drill(quick=True)
def halts_idle(attempt: Attempt) -> None:
    """Halts at random moments of a motion, nothing else to do."""
    _halt_often(attempt, "idle")


@drill()
def halts_loaded(attempt: Attempt) -> None:
    """Halts at random moments of a motion, every core busy."""
    _halt_often(attempt, "loaded")


@drill()
def halts_flooded(attempt: Attempt) -> None:
    """Halts at random moments of a motion, chunks at 1 kHz beside it."""
    _halt_often(attempt, "flooded")
