# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The states of the executor node: inactive is silent, and deactivation ramps down first."""

from __future__ import annotations

import signal
from typing import Any

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState

NODE = "/molmoact_executor"


def ask(lab: Any, kind: type, name: str, request: Any) -> Any:
    """Call a service of the life cycle."""
    client = lab._node.create_client(kind, f"{NODE}/{name}")
    lab.until(client.service_is_ready, name)
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
    said = len(lab.twists), len(lab.statuses)
    lab.chunk(steps())
    answer = lab.enable()
    assert not answer.success
    assert "not active" in answer.message
    assert (len(lab.twists), len(lab.statuses)) == said

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
