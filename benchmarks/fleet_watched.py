# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A server with robots that behave, and what they notice: pauses, latency, missing answers."""

from __future__ import annotations

import signal
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.fleet_rig import Asked, Robot, ServerProcess, tabletop_observation, wait_for

GAP = 0.3  # s between an answer and a robot's next request
RETURN = 120.0  # s within which a robot must have an answer again
INSTRUCTIONS = (
    "reach the red block",
    "reach the green block",
    "reach the blue block",
    "pick up the red block",
)


class Fleet:
    """A server and the robots that behave."""

    def __init__(self, folder: Path, robots: int, *options: str) -> None:
        self.server = ServerProcess(folder / "server.log", *options)
        self._count = robots
        self.robots: list[Robot] = []

    def __enter__(self) -> Fleet:
        self.server.start()
        for number in range(self._count):
            self.add(f"robot{number}", self.server.url)
        self.wait_for_answers(self.robots)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for robot in self.robots:
            robot.stop()
        if self.server.process is None:
            return
        code, left = self.server.end(signal.SIGTERM)
        if kind is None and (code or left):
            raise AssertionError(f"the server has ended with {code} and left {left}")

    def add(self, name: str, url: str) -> Robot:
        """Let one more robot in."""
        number = len(self.robots)
        seen = tabletop_observation(number, INSTRUCTIONS[number % len(INSTRUCTIONS)])
        robot = Robot(url, name, seen, GAP)
        robot.start()
        self.robots.append(robot)
        return robot

    def wait_for_answers(self, robots: Sequence[Robot], count: int = 3) -> float:
        """Wait until each has new answers; return how long the last one had none, s."""
        begin = time.monotonic()
        wait_for(
            lambda: all(len(robot.answers(begin)) >= count for robot in robots),
            RETURN,
            self.server.log,
        )
        return max(longest_silence(robot, begin) for robot in robots)


def longest_silence(robot: Robot, since: float, until: float | None = None) -> float:
    """Return the longest time between two answers of a robot in a span, s."""
    until = time.monotonic() if until is None else until
    ends = [one.at + one.seconds for one in robot.answers(since, until)]
    edges = [since, *ends, until]
    return max(b - a for a, b in zip(edges, edges[1:], strict=False))


def latency(robots: Sequence[Robot], since: float, until: float) -> tuple[float, float, float]:
    """Return median, 95th percentile and maximum of the answers' seconds in a span."""
    found: list[Asked] = [one for robot in robots for one in robot.answers(since, until)]
    seconds = sorted(one.seconds for one in found)
    if not seconds:
        return (float("nan"),) * 3
    return statistics.median(seconds), seconds[int(0.95 * (len(seconds) - 1))], seconds[-1]


def errors(robots: Sequence[Robot], since: float) -> int:
    """Return how many requests of a span ended without an answer."""
    return sum(
        one.reasoning is None for robot in robots for one in list(robot.asked) if one.at >= since
    )
