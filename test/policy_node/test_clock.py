# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Simulated time: frames are as old as by /clock, however often that comes."""

from __future__ import annotations

from typing import Any

import pytest
from builtin_interfaces.msg import Time
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from molmoact_ros.demo.graph import NodeSpec
from molmoact_ros.ros.conversions import seconds, time_message

NAME = "policy_in_simulation"
STEP = 0.01  # s of simulated time per tick


class Simulation:
    """Publishes the time, which goes on with every tick, and shows pictures of that time."""

    def __init__(self, robot: Any) -> None:
        self._robot = robot
        self._clock = robot.client.node.create_publisher(Clock, "/clock", 1)
        self.time = 1000.0

    def tick(self, behind: float = 0.0) -> None:
        """Go on by a step and show a picture that was taken ``behind`` s ago."""
        self.time += STEP
        self.publish(time_message(self.time))
        image = self._robot.image()
        image.header.stamp = time_message(self.time - behind)
        self._robot.show(image)

    def publish(self, time: Time) -> None:
        """Publish a time."""
        self._clock.publish(Clock(clock=time))


@pytest.fixture(scope="module")
def robot(surround: Any, start: Any, golden_parameters: dict[str, Any]) -> Any:
    parameters = {
        **golden_parameters,
        "cameras": ["camera"],
        "instruction": "close the box",
        "use_sim_time": True,
        "max_image_age": 1.0,
    }
    start(NodeSpec("policy_node", NAME, parameters=parameters))
    return surround(NAME, {"camera": Image})


@pytest.fixture(scope="module")
def simulation(robot: Any) -> Simulation:
    return Simulation(robot)


def test_pictures_of_simulated_time_are_used(robot: Any, simulation: Simulation) -> None:
    answer = robot.next_answer(simulation.tick)
    assert 1000.0 < seconds(answer.header.stamp) <= simulation.time + 1e-6
    age = dict(zip(answer.stage_names, answer.stage_seconds, strict=True))["image_age"]
    assert abs(age) < 1.0


def test_old_pictures_of_simulated_time_are_not(robot: Any, simulation: Simulation) -> None:
    def old() -> None:
        simulation.tick(behind=2.0)

    assert robot.answers_while(old) <= 1  # one may have been begun before
    robot.client.wait_for(
        lambda: "s old" in robot.statuses("cameras")[-1].message, "the reason", old
    )
    robot.next_answer(simulation.tick)


def test_a_time_that_cannot_be_is_dropped_and_the_next_one_is_taken(
    robot: Any, simulation: Simulation
) -> None:
    def tick() -> None:
        simulation.tick()
        simulation.publish(Time(sec=-1))

    robot.next_answer(tick)
    robot.next_answer(simulation.tick)
    assert robot.count("threads", "failures clock") == 0
