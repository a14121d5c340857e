# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A person takes over, and what can go wrong with that."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..drill import Attempt, drill
from ..measure import memory
from ..rig import EXECUTING, PATIENCE, TELEOP, Rig

_FEED: Mapping[str, Any] = {"rate": 5.0, "velocity": [0.15], "flip": 3}
_PUSH: Mapping[str, Any] = {"rate": 50.0, "velocity": [0.0, 0.2]}
# teleop_timeout is 0.2 s, and a ramp from 0.2 m/s takes 0.13 s.
_STOPPED = 1.0  # s
_LEAST_RATE = 98.0  # commands per s, of 100 in config/robots/tabletop.yaml
_LONGEST_GAP = 0.1  # s, after which drivers stop
_MOST_GROWTH = 20.0  # MB


@drill()
def person_is_killed(attempt: Attempt) -> None:
    """SIGKILL of the person's process in motion; the policy goes on after the pause."""
    with Rig(attempt) as rig:
        rig.prepare()
        rig.feeder.ask(**_FEED)
        rig.until_moving()
        person = rig.start_person()
        person.ask(**_PUSH)
        rig.until(lambda: rig.state == TELEOP, "the person")
        rig.until_moving(0.6)
        person.popen.kill()
        stopped = rig.until_rest(PATIENCE)
        attempt.figures["at rest after s"] = round(stopped, 2)
        attempt.check(stopped < _STOPPED, f"at rest only after {stopped:.2f} s")
        attempt.check(rig.count("stopped_teleop_silent") > 0, "the silence is not counted")
        followed = rig.until(lambda: rig.state == EXECUTING, "the policy")
        attempt.figures["policy goes on after s"] = round(followed, 2)
        attempt.check(followed > 0.9, f"the policy goes on after {followed:.2f} s, not a pause")
        rig.until_moving()


@drill()
def hand_overs(attempt: Attempt) -> None:
    """Policy and person in turns, ten times, without a pause between them."""
    with Rig(attempt, teleop_pause=0.0) as rig:
        rig.prepare()
        person = rig.start_person()
        rig.feeder.ask(**_FEED)
        for turn in range(3 if attempt.quick else 10):
            rig.until(lambda: rig.state == EXECUTING, "the policy")
            rig.until_moving()
            velocity = [0.0, 1.0 * (-1) ** turn, 0.0]
            person.ask(rate=50.0, velocity=velocity)
            rig.until(lambda: rig.state == TELEOP, "the person")
            time.sleep(0.5)
            person.ask()
        attempt.check(rig.count("halted_internal") == 0, "the audit has found a command")


@drill()
def two_persons(attempt: Attempt) -> None:
    """Two publishers on ~/teleop at once: the arm stops, until one of them ends."""
    with Rig(attempt) as rig:
        rig.prepare()
        first, second = rig.start_person(), rig.start_person()
        first.ask(rate=50.0, velocity=[0.0, 0.1])
        rig.until_moving(0.2)
        second.ask(rate=50.0, velocity=[0.1])
        attempt.figures["stopped after s"] = round(rig.until_rest(10.0), 2)
        time.sleep(1.0)
        attempt.check(rig.speed() == 0.0, "it moves while two persons command it")
        attempt.check(rig.count("stopped_two_teleop") > 0, "the two are not counted")
        second.ask()
        attempt.figures["follows the other one after s"] = round(
            rig.until(lambda: rig.state == TELEOP and rig.speed() > 0.2, "motion"), 2
        )


@drill()
def garbage_of_a_person(attempt: Attempt) -> None:
    """Twists with random faults at 200 Hz beside a policy: its motion goes on."""
    with Rig(attempt) as rig:
        rig.prepare()
        rig.feeder.ask(**_FEED)
        rig.until_moving()
        person = rig.start_person()
        person.ask(rate=200.0, velocity=[0.0, 0.0, 0.3], garbage=1.0)
        time.sleep(3.0 if attempt.quick else 8.0)
        attempt.check(rig.count("teleop_accepted") == 0, "garbage was followed")
        attempt.check(rig.state == EXECUTING, f"the motion stopped: {rig.reason}")
        names = ("not_finite", "speed", "frame", "stamp_zero", "stamp_old", "stamp_future")
        for name in (*names, "unreadable"):
            count = rig.count(f"teleop_refused_{name}")
            attempt.check(count > 0, f"teleop_refused_{name} was not counted")


@drill()
def flood_of_a_person(attempt: Attempt) -> None:
    """A person's twists at 1 kHz, at full speed into the wall of the box; a halt in between."""
    with Rig(attempt) as rig:
        rig.prepare()
        person = rig.start_person()
        before = memory(rig.executor.pid)
        sent = person.ask(rate=1000.0, velocity=[2.0, -0.5])["published"]
        rig.until_moving(0.9)
        seconds = 3.0 if attempt.quick else 8.0
        gaps = rig.gaps(seconds)
        number = person.ask(rate=1000.0, velocity=[-2.0, 0.5])["published"] - sent
        attempt.figures |= {
            "messages per s": round(number / seconds),
            "commands per s": round(gaps["rate"], 1),
            "longest gap ms": round(1e3 * gaps["received"], 1),
            "memory grew MB": round(memory(rig.executor.pid) - before, 1),
        }
        attempt.check(gaps["rate"] >= _LEAST_RATE, f"{gaps['rate']:.1f} commands per s")
        attempt.check(gaps["received"] <= _LONGEST_GAP, f"{gaps['received']:.3f} s of silence")
        attempt.check(attempt.figures["memory grew MB"] <= _MOST_GROWTH, "memory grew")
        attempt.check(rig.count("teleop_overtaken") > 1000, "the flood is not counted")
        rig.until_moving(0.9)
        begin = time.monotonic()
        rig.call("halt")
        rig.until_rest()
        stopped = time.monotonic() - begin
        attempt.figures["halted after s"] = round(stopped, 2)
        attempt.check(stopped < _STOPPED, f"halted only after {stopped:.2f} s")
