# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Robots that ask at a given rate, in virtual time: what each step costs is given, not measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from molmoact_ros.policy.loaded_checkpoint import LoadedCheckpoint
from molmoact_ros.policy.types import Observation, Reasoning
from molmoact_ros.serve.batching import AnswerScheduler, SessionSettings, Step


@dataclass(frozen=True)
class Question:
    """When a robot asks, and when its present chunk ends, s; the second is after the first."""

    robot: int
    due: float
    chunk_ends: float


def questions(robots: int, count: int, rate: float, seed: int = 0) -> list[Question]:
    """Return `count` questions of each robot, `rate` per s, at moments of their own.

    A robot asks when something has changed or rows run out: its chunk ends 0.3 to 1.5 s later.
    """
    rng = np.random.default_rng(seed)
    found = []
    for robot in range(robots):
        offset = rng.uniform(0.0, 1.0 / rate)
        for number in range(count):
            due = offset + number / rate
            found.append(Question(robot, due, due + float(rng.uniform(0.3, 1.5))))
    return sorted(found, key=lambda question: question.due)


@dataclass(frozen=True)
class Delivery:
    """An answer: s from the question to it, and whether the robot's chunk had ended before."""

    latency: float
    late: bool


def serve_paced(
    checkpoint: LoadedCheckpoint,
    streams: Sequence[Sequence[Observation]],
    asked: Sequence[Question],
    cost: Callable[[Step], float],
    *,
    by_deadline: bool,
) -> list[Delivery]:
    """Answer all questions with one scheduler, each robot's in their order.

    Args:
        checkpoint: What all share.
        streams: What each robot sees, by robot.
        asked: By time.
        cost: s of each step.
        by_deadline: Whether the scheduler knows when chunks end.
    """
    now = 0.0
    scheduler = AnswerScheduler(checkpoint, max_sessions=len(streams), clock=lambda: now)
    sessions = [scheduler.open(SessionSettings()) for _ in streams]
    queues: list[list[Question]] = [[] for _ in streams]
    for question in asked:
        queues[question.robot].append(question)
    taken = [0] * len(streams)
    waiting: dict[int, tuple[Question, Future[Reasoning]]] = {}
    deliveries = []
    while waiting or any(queues):
        for robot, queue in enumerate(queues):
            if robot not in waiting and queue and queue[0].due <= now:
                question = queue.pop(0)
                deadline = question.chunk_ends if by_deadline else None
                future = sessions[robot].infer(streams[robot][taken[robot]], deadline)
                taken[robot] += 1
                waiting[robot] = question, future
        step = scheduler.step()
        if step is None:
            now = min(queue[0].due for queue in queues if queue)
            continue
        now += cost(step)
        for robot, (question, future) in list(waiting.items()):
            if future.done():
                future.result()
                del waiting[robot]
                deliveries.append(Delivery(now - question.due, now > question.chunk_ends))
    return deliveries


def serve_paced_in_turn(
    services: Sequence[Sequence[float]], asked: Sequence[Question]
) -> list[Delivery]:
    """Answer the same questions one after the other, first come first served.

    Args:
        services: s that each answer takes alone, by robot.
        asked: By time.
    """
    taken = [0] * len(services)
    free = 0.0
    deliveries = []
    for question in asked:
        free = max(free, question.due) + services[question.robot][taken[question.robot]]
        taken[question.robot] += 1
        deliveries.append(Delivery(free - question.due, free > question.chunk_ends))
    return deliveries


def summary(deliveries: Sequence[Delivery]) -> dict[str, Any]:
    """Return p50 and p95 in ms, and the share of late answers."""
    latencies = 1e3 * np.array([delivery.latency for delivery in deliveries])
    return {
        "p50 ms": float(np.quantile(latencies, 0.5)),
        "p95 ms": float(np.quantile(latencies, 0.95)),
        "after the chunk's end": f"{np.mean([d.late for d in deliveries]):.0%}",
    }


def save_stream(path: Path, seen: Sequence[Observation]) -> None:
    """Keep what a robot has seen."""
    np.savez_compressed(
        path,
        pictures=np.stack([next(iter(observation.images.values())) for observation in seen]),
        words=np.array([observation.instruction for observation in seen]),
        stamps=np.array([observation.stamp for observation in seen]),
    )


def load_stream(path: Path, camera: str) -> list[Observation]:
    """Return what `save_stream` kept."""
    with np.load(path) as content:
        kept = (content["pictures"], content["words"], content["stamps"])
        return [
            Observation({camera: picture}, str(words), stamp=float(stamp))
            for picture, words, stamp in zip(*kept, strict=True)
        ]
