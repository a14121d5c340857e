# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""States of the executor node: inactive publishes nothing; deactivation ramps down first."""

from __future__ import annotations

import signal
from typing import Any

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from molmoact_ros.msg import ExecutorStatus

DISABLED, READY = ExecutorStatus.STATE_DISABLED, ExecutorStatus.STATE_READY
HALTED = ExecutorStatus.STATE_HALTED


def ask(lab: Any, kind: type, name: str, request: Any) -> Any:
    """Call a service of the life cycle."""
    client = lab.create_client(kind, name)
    future = client.call_async(request)
    return lab.until(future.result, f"an answer of {name}")


def change(lab: Any, transition: int) -> bool:
    """Ask for a transition."""
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(ask(lab, ChangeState, "change_state", request).success)


def test_deactivated_in_motion_it_ramps_down_and_is_silent(new_lab: Any, steps: Any) -> None:
    lab = new_lab()
    lab.prepare()
    lab.drive(steps(rows=30))
    assert change(lab, Transition.TRANSITION_DEACTIVATE)
    assert ask(lab, GetState, "get_state", GetState.Request()).current_state.id == (
        State.PRIMARY_STATE_INACTIVE
    )
    lab.until(lambda: lab.speed == 0.0, "rest")
    lab.until_state(DISABLED)  # the last status
    published = len(lab.twists), len(lab.statuses)
    lab.chunk(steps())
    answer = lab.enable()
    assert not answer.success
    assert "not active" in answer.message
    assert (len(lab.twists), len(lab.statuses)) == published

    assert change(lab, Transition.TRANSITION_CLEANUP)
    assert not change(lab, Transition.TRANSITION_ACTIVATE)
    assert change(lab, Transition.TRANSITION_CONFIGURE)
    assert change(lab, Transition.TRANSITION_ACTIVATE)
    lab.statuses.clear()
    lab.prepare()
    lab.drive(steps())
    lab.process.send_signal(signal.SIGTERM)
    assert lab.process.wait(60) == 0
    lab.until(lambda: lab.speed == 0.0, "zero as the last command")


def test_a_halt_outlives_deactivation_and_only_a_person_ends_it(new_lab: Any, steps: Any) -> None:
    lab = new_lab(enable_on_start=True)
    lab.until(lambda: lab.statuses and lab.status.state == READY, "enable_on_start")
    lab.drive(steps())
    assert lab.call("halt").success
    lab.until_state(HALTED)
    assert change(lab, Transition.TRANSITION_DEACTIVATE)
    lab.statuses.clear()
    assert change(lab, Transition.TRANSITION_ACTIVATE)
    lab.until(lambda: lab.statuses, "a status")
    assert lab.status.state == HALTED
    assert "clear" in lab.enable().message
    assert lab.call("clear").success
    lab.until_state(DISABLED)
    published = len(lab.twists)
    lab.chunk(steps())
    lab.until(lambda: lab.count("refused_not_enabled") > 0, "the refusal")
    assert len(lab.twists) == published, "enable_on_start does not enable after a halt"
    assert lab.enable().success
