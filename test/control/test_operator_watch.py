# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A heartbeat that has to come in time."""

from molmoact_ros.control import OperatorWatch


def test_nobody_has_to_look_on_unless_it_is_asked_for() -> None:
    watch = OperatorWatch(0.0)
    assert watch.problem(1e9) is None


def test_without_the_first_heartbeat_something_is_missing() -> None:
    problem = OperatorWatch(0.5).problem(0.0)
    assert problem is not None and problem.startswith("no ~/operator_heartbeat has come")


def test_a_heartbeat_holds_for_its_time_and_no_longer() -> None:
    watch = OperatorWatch(0.5)
    watch.beat(100.0)
    assert watch.problem(100.5) is None
    problem = watch.problem(100.51)
    assert problem is not None and problem.startswith("no ~/operator_heartbeat for 0.5 s")
    watch.beat(200.0)
    assert watch.problem(200.1) is None
