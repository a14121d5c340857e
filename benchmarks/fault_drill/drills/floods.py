# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Too much of everything: chunks, sequence numbers, policies, calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..drill import Attempt, drill
from ..measure import memory
from ..pipes import Peer
from ..rig import EXECUTING, HALTED, Rig

_GOOD: Mapping[str, Any] = {"rate": 5.0, "velocity": [0.15, 0.05], "flip": 5}
_LEAST_RATE = 0.98  # of the profile's
_MOST_GROWTH = 20.0  # MB
_LONGEST_GAP = 0.1  # s, after which drivers stop


def _stands(rig: Rig, flood: Peer, request: Mapping[str, Any], seconds: float) -> None:
    """Flood for a while and check that the loop does not care."""
    attempt = rig.attempt
    before = memory(rig.executor.pid)
    sent = flood.ask(**request)["published"]
    gaps = rig.gaps(seconds)
    number = flood.ask()["published"] - sent
    grown = memory(rig.executor.pid) - before
    attempt.figures |= {
        "messages per s": round(number / seconds),
        "commands per s": round(gaps["rate"], 1),
        "longest gap ms": round(1e3 * gaps["received"], 1),
        "memory grew MB": round(grown, 1),
    }
    rate = 100.0  # of config/robots/tabletop.yaml
    attempt.check(gaps["rate"] >= _LEAST_RATE * rate, f"{gaps['rate']:.1f} commands per s")
    attempt.check(gaps["received"] <= _LONGEST_GAP, f"{gaps['received']:.3f} s between commands")
    attempt.check(grown <= _MOST_GROWTH, f"memory grew by {grown:.0f} MB")


@drill()
def flood_of_good_chunks(attempt: Attempt) -> None:
    """Good chunks at 1 kHz."""
    with Rig(attempt) as rig:
        rig.prepare()
        rig.feeder.ask(**_GOOD)
        rig.until_moving()
        _stands(rig, rig.feeder, {**_GOOD, "rate": 1000.0, "flip": 1000}, 8.0)


@drill()
def flood_of_garbage(attempt: Attempt) -> None:
    """Chunks with random faults at 1 kHz beside good ones: the motion goes on."""
    with Rig(attempt, feeders=2) as rig:
        rig.prepare()
        rig.feeder.ask(**_GOOD)
        rig.until_moving()
        _stands(rig, rig.feeders[1], {"rate": 1000.0, "garbage": 1.0}, 8.0)
        attempt.check(rig.state == EXECUTING, f"the motion stopped: {rig.reason}")


@drill(quick=True)
def flood_of_sequence_numbers(attempt: Attempt) -> None:
    """Chunks with random sequence numbers at 1 kHz beside good ones; afterwards all is well."""
    with Rig(attempt, feeders=2) as rig:
        rig.prepare()
        rig.feeder.ask(**_GOOD)
        rig.until_moving()
        request = {"rate": 1000.0, "sequence": "random", "velocity": [-0.15]}
        _stands(rig, rig.feeders[1], request, 5.0 if attempt.quick else 20.0)
        recovered = rig.until(lambda: rig.state == EXECUTING and rig.speed() > 0.2, "motion")
        attempt.figures["recovered after s"] = round(recovered, 2)


@drill()
def two_policies(attempt: Attempt) -> None:
    """Two policies of one name publish to one executor: it stops, until one of them ends."""
    with Rig(attempt, feeders=2) as rig:
        rig.prepare()
        rig.feeder.ask(**_GOOD)
        rig.until_moving()
        rig.feeders[1].ask(rate=4.0, velocity=[-0.2], first=5)
        attempt.figures["stopped after s"] = round(rig.until_rest(10.0), 2)
        time.sleep(2.0)
        attempt.check(rig.speed() == 0.0, "it moves while two policies publish")
        rig.feeder.ask()
        attempt.figures["follows the other one after s"] = round(
            rig.until(lambda: rig.speed() > 0.2, "motion by the other policy"), 2
        )


@drill(quick=True)
def storm_of_calls(attempt: Attempt) -> None:
    """~/enable, ~/halt, ~/clear and ~/approve from three threads without a pause."""
    seconds = 3.0 if attempt.quick else 8.0
    with Rig(attempt, expect={"zeros": True}) as rig:
        rig.prepare()
        rig.feeder.ask(**_GOOD)
        calls = [0, 0, 0]
        end = time.monotonic() + seconds

        def storm(index: int) -> None:
            random = np.random.default_rng(index)
            while time.monotonic() < end:
                name = str(random.choice(["enable", "enable", "halt", "clear", "approve"]))
                rig.send(name, bool(random.random() < 0.7))
                calls[index] += 1
                time.sleep(0.001)

        threads = [threading.Thread(target=storm, args=(i,)) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        attempt.figures["calls"] = sum(calls)
        rig.call("halt")
        rig.until(lambda: rig.state == HALTED, "the halt after the storm")
        rig.prepare()
        rig.feeder.ask(**_GOOD)
        rig.until_moving()
