# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What an operator tunes while the executor runs."""

from __future__ import annotations

from typing import Any

import pytest
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters


def send(client: Any, **values: float | str) -> Any:
    """Request to set parameters and return the future of the answer."""
    request = SetParameters.Request()
    for name, value in values.items():
        kind = ParameterType.PARAMETER_DOUBLE
        given = ParameterValue(type=kind, double_value=value if isinstance(value, float) else 0.0)
        if isinstance(value, str):
            given = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value)
        request.parameters.append(Parameter(name=name, value=given))
    return client.call_async(request)


def change(lab: Any, **values: float | str) -> Any:
    """Set parameters and return the first answer."""
    future = send(lab.create_client(SetParameters, "set_parameters"), **values)
    return lab.until(future.result, "an answer of set_parameters").results[0]


def test_the_scale_changes_from_the_next_chunk_on(robot: Any, steps: Any) -> None:
    try:
        robot.drive(steps(x=0.02))
        assert change(robot, action_scale=0.25).successful
        robot.until_rest()
        start = len(robot.twists)
        robot.drive(steps(x=0.02), speed=0.049)
        robot.until_rest()
        fastest = max(abs(velocity[0]) for _, _, velocity in robot.twists[start:])
        assert fastest == pytest.approx(0.05)
    finally:
        assert change(robot, action_scale=1.0).successful


def test_the_least_confidence_changes_from_the_next_chunk_on(robot: Any, steps: Any) -> None:
    try:
        assert change(robot, min_confidence=0.5).successful
        refused = robot.count("refused_confidence")
        robot.chunk(steps(), confidence=0.4)
        robot.until(lambda: robot.count("refused_confidence") == refused + 1, "the refusal")
        robot.drive(steps(), confidence=0.6)
    finally:
        assert change(robot, min_confidence=0.0).successful


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"action_scale": 1e308}, "action_scale"),
        ({"action_scale": float("nan")}, "action_scale out of range"),
        ({"min_confidence": 1.5}, "min_confidence"),
        ({"robot": "ur_servo"}, "read-only"),
    ],
)
def test_what_does_not_fit_is_answered_with_the_reason(
    robot: Any, changes: dict[str, Any], words: str
) -> None:
    answer = change(robot, **changes)
    assert not answer.successful
    assert words in answer.reason


def test_a_request_of_a_megabyte_is_dropped_and_the_next_is_answered(robot: Any) -> None:
    client = robot.create_client(SetParameters, "set_parameters")
    dropped = send(client, robot="x" * 1_000_000)
    following = send(client, action_scale=1.0)
    assert robot.until(following.result, "an answer of set_parameters").results[0].successful
    assert not dropped.done()
