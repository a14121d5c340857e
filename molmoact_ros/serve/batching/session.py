# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One robot at a scheduler, and the answer that it waits for."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from molmoact_ros.decoding import RunningAnswer
from molmoact_ros.decoding.running_answer import Block
from molmoact_ros.decoding.tree import Node, TokenTree
from molmoact_ros.policy.answer_forms import AnswerForms
from molmoact_ros.policy.answer_stream import AnswerStream
from molmoact_ros.policy.types import Observation, Reasoning


class TooManySessionsError(RuntimeError):
    """All places of a scheduler are taken."""


class SessionBusyError(RuntimeError):
    """A session was asked again before its answer."""


@dataclass(eq=False)
class Request:
    """One observation on its way to an answer.

    Attributes:
        stream: The robot's state.
        observation: What was asked.
        deadline: When the robot's chunk ends, s of the scheduler's clock; None: not known.
        asked: s of `time.perf_counter`.
        due: By when it should be begun, s of the scheduler's clock; set when it is submitted.
        batch: Network input, once it is prepared.
        place: Of the answer's cache, while it runs.
        answer: The answer, while it runs.
        seconds: By stage.
        future: Receives the answer.
    """

    stream: AnswerStream
    observation: Observation
    deadline: float | None
    asked: float = field(default_factory=time.perf_counter)
    due: float = math.inf
    batch: Any = None
    place: int = -1
    answer: RunningAnswer | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    future: Future[Reasoning] = field(default_factory=Future)
    _nodes: list[Node] = field(default_factory=list)

    def chances(self) -> Iterator[float]:
        """Yield the chance of each further row of the next pass; an error ends this answer only."""
        assert self.answer is not None
        self._nodes = []
        try:
            yield from self.answer.grow(self.stream.draft, self._nodes)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            self.fail(error)

    def lay_out(self, rows: int) -> Block:
        """Return the block of the next pass, with the likeliest guesses of `chances`."""
        assert self.answer is not None
        return self.answer.lay_out(TokenTree.of(self._nodes), rows)

    def accept(self, choices: list[int], logits: Tensor) -> None:
        """Keep what the pass confirms; see RunningAnswer."""
        assert self.answer is not None
        self.answer.accept(choices, logits)

    def finish(self) -> None:
        """Read the answer and deliver it, unless it was cancelled."""
        assert self.answer is not None
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            start = time.perf_counter()
            self.seconds["decode"] = start - self.asked - sum(self.seconds.values())
            reasoning = self.stream.finish(self.answer.result({}), self.observation)
            end = time.perf_counter()
            timings = {**self.seconds, "parse": end - start, "total": end - self.asked}
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            self.future.set_exception(error)
        else:
            self.future.set_result(replace(reasoning, timings=timings))

    def fail(self, error: BaseException) -> None:
        """Deliver an error, unless the answer was cancelled or has failed already."""
        if not self.future.done() and self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)


class Session:
    """One robot; its settings, drafts and trust monitor are its own. Methods are thread-safe."""

    def __init__(
        self,
        stream: AnswerStream,
        submit: Callable[[Request], None],
        release: Callable[[], None],
    ) -> None:
        """Join a scheduler; `AnswerScheduler.open` does it.

        Args:
            stream: The robot's state.
            submit: Hands a prepared request over.
            release: Called once, when the session closes.
        """
        self._stream, self._submit, self._release = stream, submit, release
        self._lock = threading.Lock()
        self._request: Request | None = None
        self._closed = False

    @property
    def drafts_learn(self) -> bool:
        """Whether the answer before the last could be learned from; else passes are wasted."""
        return self._stream.draft.learned

    @property
    def forms(self) -> AnswerForms | None:
        """What constrained answers are kept to, None where they are not constrained."""
        return self._stream.forms

    def infer(self, observation: Observation, deadline: float | None = None) -> Future[Reasoning]:
        """Ask for an answer. Pictures are preprocessed in the calling thread, some milliseconds.

        Args:
            observation: Camera images and an instruction.
            deadline: When the robot's present chunk ends, s of `time.monotonic`: robots whose
                chunk ends sooner come first; None: not known.

        Returns:
            Receives the answer, whose `timings` have "wait" (for other robots, before its own
            vision) besides those of `MolmoActPolicy.infer`. Its errors are those of that method;
            `CancelledError` after `cancel` and `StoppedError` when the scheduler stops.

        Raises:
            SessionBusyError: The answer before has not come; wait for it or cancel it.
            RuntimeError: The session is closed.
        """
        request = Request(self._stream, observation, deadline)
        with self._lock:
            if self._closed:
                raise RuntimeError("the session is closed; open another one")
            before = self._request
            # One that is being delivered is through before another begins.
            if before is not None and not (before.future.done() or before.future.running()):
                raise SessionBusyError("the session's last answer has not come; cancel it first")
            self._request = request
        try:
            request.batch = self._stream.prepare(observation)
            request.seconds["preprocess"] = time.perf_counter() - request.asked
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            request.fail(error)
        else:
            self._submit(request)
        return request.future

    def cancel(self) -> None:
        """Give up the running answer, as if it had never begun; nothing happens without one."""
        with self._lock:
            if self._request is not None:
                self._request.future.cancel()

    def close(self) -> None:
        """Cancel, and free the place for another robot."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self.cancel()
        self._release()
