# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the console knows of the robot: frozen, each with the time at which it was received.

Times are s of `time.monotonic`, so that a clock that jumps makes nothing younger or older.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DISABLED, READY, EXECUTING, STOPPING, HALTED, TELEOP = range(6)  # as in ExecutorStatus.msg
OK, WARN, ERROR, STALE = range(4)  # as in DiagnosticStatus


@dataclass(frozen=True)
class ExecutorReading:
    """The executor's status.

    Attributes:
        state: One of the numbers above.
        reason: Why it is in this state.
        awaiting_approval: Whether a chunk waits to be approved.
        sequence: Of the present or last chunk.
        step: Row of that chunk, from 0.
        steps_remaining: Rows still to execute.
        loop_rate: Hz.
        loop_jitter: s.
        received: s.
    """

    state: int
    reason: str
    awaiting_approval: bool
    sequence: int
    step: int
    steps_remaining: int
    loop_rate: float
    loop_jitter: float
    received: float


@dataclass(frozen=True)
class Answer:
    """One answer of the policy.

    Attributes:
        sequence: Of its chunk.
        instruction: That it followed.
        points: Path (x, y) in pixels of `size`.
        size: Width and height of the picture that the path belongs to, px.
        drawn: Whether the path was drawn by a person.
        problems: Why it is not trusted; empty: it is.
        seconds: That it took.
        passes: Of the language model after the prefill.
        tokens: That it has.
        confidence: 0..1; None: not computed.
        received: s.
    """

    sequence: int
    instruction: str
    points: tuple[tuple[float, float], ...]
    size: tuple[int, int]
    drawn: bool
    problems: tuple[str, ...]
    seconds: float
    passes: int
    tokens: int
    confidence: float | None
    received: float


@dataclass(frozen=True)
class Diagnostic:
    """One status of /diagnostics."""

    name: str
    level: int
    message: str
    values: Mapping[str, str]
    received: float


@dataclass(frozen=True)
class CameraReading:
    """What is known of a camera's pictures without looking at them.

    Attributes:
        topic: Its topic.
        number: Of the newest picture; 0: none has come.
        received: s, of the newest picture.
        delay: s from the picture's stamp to its arrival by the node's clock.
        rate: Pictures per second that arrive.
        problem: Why the newest message could not be shown; empty: it can.
    """

    topic: str
    number: int
    received: float
    delay: float
    rate: float
    problem: str


@dataclass(frozen=True)
class Reply:
    """What became of a request such as enable.

    Attributes:
        request: Its name, for a person.
        success: None: no answer yet.
        message: In words.
        at: s when it was sent, or answered.
    """

    request: str
    success: bool | None
    message: str
    at: float


@dataclass(frozen=True)
class Graph:
    """Who is there, by DDS discovery, which notices a killed process only after many seconds.

    Attributes:
        executors: Nodes that publish the executor's status.
        policies: Nodes that publish the policy's answers.
        cameras: Image topics to show, the first camera first.
        note: Why there are none; empty: there are.
    """

    executors: int = 0
    policies: int = 0
    cameras: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Snapshot:
    """Everything that a page shows, at one moment.

    Attributes:
        now: s.
        watched_since: s when the console began to subscribe.
        graph: Who is there.
        executor: Its status; None: none has come.
        policy_answered: s when the policy node answered a question last; None: never.
        policy_state: Its state in words, such as active.
        answers: The last answers, newest last.
        cameras: The cameras, the first camera first.
        diagnostics: By severity.
        settings: The executor's parameters by name.
        replies: Of requests, newest last.
    """

    now: float
    watched_since: float
    graph: Graph = Graph()
    executor: ExecutorReading | None = None
    policy_answered: float | None = None
    policy_state: str = ""
    answers: tuple[Answer, ...] = ()
    cameras: tuple[CameraReading, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    replies: tuple[Reply, ...] = ()
