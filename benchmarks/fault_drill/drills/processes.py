# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Processes that are killed, frozen or restarted in the middle of a motion."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from typing import Any

from ..drill import Attempt, drill
from ..rig import EXECUTING, PATIENCE, Rig

_FEED: Mapping[str, Any] = {"rate": 5.0, "velocity": [0.2], "flip": 3}
# The 8 rows of 0.1 s of the last chunk are executed, then a ramp of 0.2 s.
_STOPPED = 1.5  # s
_NEW_RUN = 10.0  # s within which a restarted policy is followed


@drill(quick=True)
def policy_is_killed(attempt: Attempt) -> None:
    """SIGKILL of the policy in motion; another one with numbers from 0 takes over."""
    with Rig(attempt) as rig:
        rig.prepare()
        rig.feeder.ask(**_FEED)
        rig.until_moving(0.5)
        rig.feeder.popen.kill()
        stopped = rig.until_rest(PATIENCE)
        attempt.figures["at rest after s"] = round(stopped, 2)
        attempt.check(stopped < _STOPPED, f"at rest only after {stopped:.2f} s")
        rig.start_feeder().ask(first=0, **_FEED)
        followed = rig.until(lambda: rig.speed() > 0.3, "motion by the next policy")
        attempt.figures["the next one is followed after s"] = round(followed, 2)
        attempt.check(followed < _NEW_RUN, f"the next policy is followed after {followed:.1f} s")


@drill()
def policy_is_frozen(attempt: Attempt) -> None:
    """SIGSTOP of the policy in motion, SIGCONT after 3 s."""
    with Rig(attempt) as rig:
        rig.prepare()
        rig.feeder.ask(**_FEED)
        rig.until_moving(0.5)
        rig.feeder.popen.send_signal(signal.SIGSTOP)
        stopped = rig.until_rest(PATIENCE)
        attempt.figures["at rest after s"] = round(stopped, 2)
        attempt.check(stopped < _STOPPED, f"at rest only after {stopped:.2f} s")
        time.sleep(3.0 - stopped)
        rig.feeder.popen.send_signal(signal.SIGCONT)
        rig.until_moving()


@drill()
def policy_restarts_often(attempt: Attempt) -> None:
    """Ten policies one after the other, each killed in the middle of its motion."""
    with Rig(attempt) as rig:
        rig.prepare()
        for _ in range(3 if attempt.quick else 10):
            rig.feeder.ask(first=0, **_FEED)
            rig.until_moving()
            rig.feeder.popen.kill()
            rig.feeders.remove(rig.feeder)
            rig.start_feeder()


@drill()
def executor_is_killed(attempt: Attempt) -> None:
    """SIGKILL of the executor in motion; the next one is silent until somebody enables it."""
    # What was on its way is lost with the process: the driver's own timeout ends the motion.
    with Rig(attempt, expect={"rest": False}) as rig:
        rig.prepare()
        rig.feeder.ask(**_FEED)
        rig.until_moving(0.5)
        rig.executor.popen.kill()
        rig.executor.popen.wait()
        time.sleep(1.0)
        rig.statuses.clear()
        rig.executors[0] = rig.start_executor()
        rig.until(lambda: rig.statuses, "the next executor")
        time.sleep(2.0)
        attempt.check(rig.speed() == 0.0, "the next executor moves without ~/enable")
        rig.prepare()
        rig.feeder.ask(**_FEED)
        rig.until_moving()


@drill()
def executor_is_frozen(attempt: Attempt) -> None:
    """SIGSTOP of the executor in motion, SIGCONT after 1 s: nothing is made up for."""
    with Rig(attempt, expect={"rest": False, "places": False}) as rig:
        rig.prepare()
        rig.feeder.ask(**_FEED)
        for _ in range(3):
            rig.until_moving(0.5)
            rig.executor.popen.send_signal(signal.SIGSTOP)
            time.sleep(1.0)
            rig.executor.popen.send_signal(signal.SIGCONT)
            time.sleep(1.0)


@drill(quick=True)
def executor_is_terminated(attempt: Attempt) -> None:
    """SIGTERM and SIGINT in motion: a ramp, zero, and exit code 0."""
    for stop in (signal.SIGTERM, signal.SIGINT):
        with Rig(attempt) as rig:
            rig.prepare()
            rig.feeder.ask(**_FEED)
            rig.until_moving(0.5)
            executor = rig.executors.pop()
            executor.popen.send_signal(stop)
            begin = time.monotonic()
            code = executor.popen.wait(PATIENCE)
            seconds = time.monotonic() - begin
            attempt.figures[f"{stop.name}: ended after s"] = round(seconds, 2)
            attempt.check(code == 0, f"{stop.name}: exit code {code}")
            attempt.check(seconds < 3.0, f"{stop.name}: ended after {seconds:.1f} s")


@drill()
def two_executors(attempt: Attempt) -> None:
    """Two executors of one name: a halt reaches both, and each keeps its limits."""
    with Rig(attempt, executors=2, expect={"silence": False}) as rig:
        time.sleep(1.0)
        rig.prepare()
        rig.feeder.ask(**_FEED)
        rig.until(lambda: rig.state == EXECUTING, "execution")
        rig.until_moving()
        rig.call("halt")
        stopped = rig.until_rest(PATIENCE)
        attempt.figures["at rest after s"] = round(stopped, 2)
        attempt.check(stopped < 1.0, f"at rest only after {stopped:.2f} s")
        reported = any("same name" in executor.text for executor in rig.executors)
        attempt.figures["reported"] = "yes" if reported else "no"
