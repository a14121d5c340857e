# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Chunks that a policy should never publish."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ..drill import Attempt, drill
from ..measure import forget_peak, memory
from ..pipes import PeerError
from ..rig import EXECUTING, Rig

_COLUMNS = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
_ROWS = 8
_NAN, _INF = math.nan, math.inf
_ANSWERED = 2.0  # s within which a chunk is counted as accepted or refused
_GOOD: Mapping[str, Any] = {"rate": 5.0, "velocity": [0.15, 0.05], "flip": 5}
_LONGEST_GAP = 0.020  # s between two commands, median of the runs
_RUNS, _RUN = 3, 5.0  # s; `benchmarks.flood_inputs` takes longer
_MESSAGES = 12  # DDS keeps the ten of the subscription's queue, and what it is receiving
_LOG_LINES = 10  # in 10 s of motion


def _values(column: str, value: float) -> dict[str, Any]:
    values = [0.0] * len(_COLUMNS) * _ROWS
    values[3 * len(_COLUMNS) + _COLUMNS.index(column)] = value
    return {"changes": {"values": values}}


def _forged() -> Iterator[tuple[str, dict[str, Any]]]:
    """Return descriptions and requests of the feeder."""
    for value in (_NAN, _INF, -_INF, 1e300, 1e9, 0.2):
        yield f"x = {value}", _values("x", value)
    for value in (_NAN, 3.2, 1e308):
        yield f"roll = {value}", _values("roll", value)
    for value in (_NAN, _INF, 1e308, -1e308):
        yield f"gripper = {value}", _values("gripper", value)
    for period in (0.0, -1.0, _NAN, _INF, 1e-9, 5.0, 1e9):
        yield f"step_period = {period}", {"changes": {"step_period": period}}
    for confidence in (_INF, -_INF, -1e308, 1.5):
        yield f"confidence = {confidence}", {"changes": {"confidence": confidence}}
    for frame in ("world", "tool0"):
        yield f"frame_id = {frame}", {"changes": {"frame_id": frame}}
    for stamp in ([0, 0], [-1, 0], [2**31 - 1, 0]):
        yield f"stamp = {stamp}", {"changes": {"stamp": stamp}}
    yield "10 s old", {"offset": -10.0}
    yield "10 s in the future", {"offset": 10.0}
    for space in ("", "joint_delta", "nonsense"):
        yield f"action_space = '{space}'", {"changes": {"action_space": space}}
    yield "invalid", {"changes": {"valid": False}}
    yield "no names", {"changes": {"names": []}}
    yield "one name twice", {"changes": {"names": ["x", "x", *_COLUMNS[2:]]}}
    yield "an unknown name", {"changes": {"names": ["a", *_COLUMNS[1:]]}}
    yield "65 rows", {"rows": 65}
    yield "1000 rows", {"rows": 1000}
    for horizon, dof in ((0, 7), (8, 0), (8, 8), (2**32 - 1, 2**32 - 1)):
        text = f"horizon x dof = {horizon} x {dof}"
        yield text, {"changes": {"horizon": horizon, "dof": dof}}
    yield "no values", {"changes": {"values": []}}


@drill(quick=True)
def forged_chunks(attempt: Attempt) -> None:
    """Chunks with one wrong field each are refused and counted."""
    forged = list(_forged())
    refused_by_type: list[str] = []
    with Rig(attempt) as rig:
        rig.prepare()
        rig.feeder.ask(**_GOOD)
        rig.until(lambda: rig.state == EXECUTING, "execution")
        rig.feeder.ask()
        rig.until(lambda: rig.state != EXECUTING, "the end of the motion")
        for text, request in forged:
            before, accepted = rig.refusals(), rig.count("accepted")
            try:
                rig.feeder.ask(times=1, **request)
            except PeerError as error:  # the message itself does not take it
                if not rig.feeder.is_alive():
                    raise
                refused_by_type.append(f"{text} ({error})")
                continue
            begin = time.monotonic()
            while rig.refusals() == before and time.monotonic() - begin < _ANSWERED:
                if rig.count("accepted") > accepted:
                    break
                time.sleep(0.005)
            attempt.check(rig.refusals() > before, f"executed or not counted: {text}")
        attempt.figures["forged"] = len(forged)
        if refused_by_type:
            attempt.figures["refused by the message type"] = len(refused_by_type)


@drill()
def a_slow_chunk(attempt: Attempt) -> None:
    """A chunk of 8 rows of 5 s each and no other one: the motion does not last."""
    with Rig(attempt) as rig:
        rig.prepare()
        rig.feeder.ask(times=1, period=5.0, velocity=[0.01])
        time.sleep(1.0)
        attempt.check(rig.state != EXECUTING, "rows of 5 s are executed")


@drill()
def large_chunks(attempt: Attempt) -> None:
    """Chunks of 10 MB of names and of 100 MB of values at 2 Hz beside good ones."""
    runs = 1 if attempt.quick else _RUNS
    with Rig(attempt, feeders=2) as rig:
        rig.prepare()
        rig.feeder.ask(**_GOOD)
        rig.until_moving()
        idle = rig.gaps(_RUN)
        attempt.figures["longest gap idle ms"] = round(1e3 * idle["received"], 1)
        allowed = max(_LONGEST_GAP, idle["received"])
        for name, size, request in (
            ("10 MB", 10.0, {"names": 1_250_000}),
            ("100 MB", 100.0, {"values": 12_500_000}),
        ):
            before = memory(rig.executor.pid)
            forget_peak(rig.executor.pid)
            rig.feeders[1].ask(rate=2.0, **request)
            gaps = [rig.gaps(_RUN) for _ in range(runs)]
            rig.feeders[1].ask()
            time.sleep(1.0)
            longest = statistics.median(gap["received"] for gap in gaps)
            peak = memory(rig.executor.pid, peak=True) - before
            attempt.figures |= {
                f"longest gap {name} ms": round(1e3 * longest, 1),
                f"rate {name} Hz": round(statistics.median(gap["rate"] for gap in gaps), 1),
                f"peak {name} MB": round(peak),
            }
            attempt.check(longest <= allowed, f"{name}: {1e3 * longest:.0f} ms between commands")
            attempt.check(peak <= _MESSAGES * size, f"{name}: memory grew by {peak:.0f} MB")


@drill()
def quiet_log(attempt: Attempt) -> None:
    """Ten seconds of motion leave a handful of lines in the log."""
    with Rig(attempt) as rig:
        rig.prepare()
        rig.feeder.ask(rate=6.0, velocity=[0.15], flip=5)
        rig.until_moving()
        before = len(rig.executor.text.splitlines())
        time.sleep(10.0)
        lines = len(rig.executor.text.splitlines()) - before
        attempt.figures["lines in 10 s"] = lines
        attempt.check(lines <= _LOG_LINES, f"{lines} lines in 10 s of motion")
