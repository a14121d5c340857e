# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Too much at once: bursts of frames and storms of service calls; and instructions of blanks."""

from __future__ import annotations

from typing import Any

import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import GetParameters
from sensor_msgs.msg import Image

from molmoact_ros.demo.graph import NodeSpec

NAME = "stormy_policy"
CONFIGURE = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))


@pytest.fixture(scope="module")
def node(start: Any, golden_parameters: dict[str, Any]) -> Any:
    parameters = {**golden_parameters, "cameras": ["camera"], "autostart": False}
    return start(NodeSpec("policy_node", NAME, parameters=parameters))


@pytest.fixture(scope="module")
def robot(surround: Any, supervise: Any, node: Any) -> Any:
    """Return the node, which was asked twice at once to configure itself."""
    made = surround(NAME, {"camera": Image})
    client = made.client
    asked = client.node.create_client(ChangeState, f"{NAME}/change_state")
    client.wait_for(asked.service_is_ready, "the node")
    supervisor = supervise(NAME)
    # Takes as long as the node needs to know this client too; before that it could not answer.
    assert supervisor.state == State.PRIMARY_STATE_UNCONFIGURED
    answers = [asked.call_async(CONFIGURE) for _ in range(2)]
    client.wait_for(lambda: all(a.done() for a in answers), "both answers")
    assert sorted(a.result().success for a in answers) == [False, True]
    assert supervisor.state == State.PRIMARY_STATE_INACTIVE
    assert supervisor.change(Transition.TRANSITION_ACTIVATE)
    made.instruct("close the box")
    made.next_answer()
    return made


def test_bursts_of_frames_are_not_worked_through(robot: Any) -> None:
    shown = []

    def burst() -> None:
        for _ in range(50):
            image = robot.image()
            shown.append((image.header.stamp.sec, image.header.stamp.nanosec))
            robot.show(image)

    answers = [robot.next_answer(burst).header.stamp for _ in range(3)]
    used = [shown.index((stamp.sec, stamp.nanosec)) for stamp in answers]
    assert used == sorted(set(used)), "each frame once, in their order"
    assert len(robot.reasonings) < len(shown), "what is late is not made up for"
    robot.next_answer()


def test_a_storm_of_calls_ends_and_the_node_goes_on(robot: Any, supervise: Any) -> None:
    node = robot.client.node
    calls = [
        (node.create_client(GetState, f"{NAME}/get_state"), GetState.Request()),
        (node.create_client(ChangeState, f"{NAME}/change_state"), CONFIGURE),
        (
            node.create_client(GetParameters, f"{NAME}/get_parameters"),
            GetParameters.Request(names=["instruction"]),
        ),
    ]
    for client, _ in calls:
        robot.client.wait_for(client.service_is_ready, client.srv_name)
    for _ in range(100):
        for client, request in calls:
            client.call_async(request)
    robot.next_answer()
    assert supervise(NAME).state == State.PRIMARY_STATE_ACTIVE
    for client, _ in calls:
        node.destroy_client(client)


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_instruction_stops(robot: Any, text: str) -> None:
    robot.instruct("close the box")
    robot.next_answer()
    robot.instruct(text)
    waiting = "waiting for an instruction"
    robot.client.wait_for(
        lambda: [s.message for s in robot.statuses("inference")[-1:]] == [waiting], waiting
    )
    assert robot.answers_while(lambda: robot.show(robot.image())) == 0
