# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Simulated robots that share one scheduler; one computes at a time, so every run is the same."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from molmoact_ros.evaluate.actors import PolicyActor
from molmoact_ros.evaluate.episode import make_episodes
from molmoact_ros.evaluate.in_process import InProcess, Timing
from molmoact_ros.evaluate.workers import tabletop_robot
from molmoact_ros.policy.checkpoint_profile import CheckpointProfile
from molmoact_ros.policy.types import Observation, Reasoning
from molmoact_ros.serve.batching import AnswerScheduler, SessionSettings, Step

FIRST_SEED = 600_000
EXECUTED_STEPS = 4
_SECONDS = 10.0  # simulated, limit of an episode
_EPISODES = 1000  # more than any run needs


class _EnoughError(Exception):
    """The robot has asked as often as it should."""


@dataclass
class Served:
    """One robot's answers.

    Attributes:
        observations: What it asked.
        answers: What it got.
        spans: Steps of the scheduler before each question and at its answer.
        episodes: Whether each episode that came to its end succeeded.
    """

    observations: list[Observation] = field(default_factory=list)
    answers: list[Reasoning] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    episodes: list[bool] = field(default_factory=list)


class Robot(threading.Thread):
    """An arm in its own scene, which looks, waits for the answer, and carries it out.

    Its thread and the benchmark's take turns. The world stands still while the robot waits.

    Attributes:
        observation: What it waits for an answer to; None when it has asked often enough.
        served: So far.
    """

    def __init__(self, number: int, profile: CheckpointProfile, kind: str, answers: int) -> None:
        """Stand still until `resume`; each robot has scenes of its own."""
        super().__init__(daemon=True)
        self.profile = profile
        self.served = Served()
        self._number, self._kind, self._count = number, kind, answers
        self._turn, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._reasoning: Reasoning | None = None
        self.observation: Observation | None = None

    def resume(self, reasoning: Reasoning | None = None) -> None:
        """Hand over an answer, and return when the robot waits for the next."""
        self._reasoning = reasoning
        if not self.is_alive():
            self.start()
        self._turn.release()
        self._back.acquire()

    def infer(self, observation: Observation) -> Reasoning:
        """Ask, as a policy's method."""
        if len(self.served.answers) == self._count:
            raise _EnoughError
        self.observation = observation
        self._back.release()
        self._turn.acquire()
        assert self._reasoning is not None
        self.served.observations.append(observation)
        self.served.answers.append(self._reasoning)
        return self._reasoning

    def run(self) -> None:
        """Do one episode after the other."""
        self._turn.acquire()
        policy: Any = self
        actor = PolicyActor(policy, EXECUTED_STEPS)
        robot = tabletop_robot(EXECUTED_STEPS)
        try:
            with closing(InProcess(actor, robot, Timing(_SECONDS, answer_seconds=0.0))) as cell:
                first = FIRST_SEED + 100 * self._number
                for episode in make_episodes("policy", self._kind, first, _EPISODES):
                    self.served.episodes.append(cell.run(episode).success)
        except _EnoughError:
            pass
        self.observation = None
        self._back.release()


def serve_saturated(
    scheduler: AnswerScheduler, robots: Sequence[Robot]
) -> tuple[list[Step], list[Served]]:
    """Answer all robots, each of which asks again at once, until each has asked often enough.

    Returns:
        What the scheduler did, and what each robot got.
    """
    steps: list[Step] = []
    sessions = [scheduler.open(SessionSettings()) for _ in robots]
    waiting: dict[int, Any] = {}

    def ask(number: int) -> None:
        observation = robots[number].observation
        if observation is None:
            sessions[number].close()
            return
        waiting[number] = len(steps), sessions[number].infer(observation)

    for number, robot in enumerate(robots):
        robot.resume()
        ask(number)
    while waiting:
        step = scheduler.step()
        assert step is not None, "a robot waits and nothing is done"
        steps.append(step)
        for number, (asked, future) in list(waiting.items()):
            if future.done():
                del waiting[number]
                robots[number].served.spans.append((asked, len(steps)))
                robots[number].resume(future.result())
                ask(number)
    return steps, [robot.served for robot in robots]
