# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers for many robots with one network: each pass holds rows of all running answers.

Decoding is bound by reading the weights, so a pass over eight robots' rows takes hardly longer than
one over a single robot's. Answers begin and end at any time. Between two passes there is at most
one prefill, so no running answer waits longer than that.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

from molmoact_ros.decoding import RunningAnswer, StoppedError
from molmoact_ros.decoding.capture import computing_on
from molmoact_ros.decoding.prompt import Prompt, eos_ids
from molmoact_ros.decoding.running_answer import Block
from molmoact_ros.faults import DeviceLostError
from molmoact_ros.model.device import device_faults
from molmoact_ros.policy.answer_stream import AnswerStream
from molmoact_ros.policy.loaded_checkpoint import LoadedCheckpoint
from molmoact_ros.policy.session_settings import SessionSettings

from .row_sharing import share_rows, urgencies
from .session import Request, Session, TooManySessionsError
from .shared_cache import CachePlaces
from .shared_pass import SharedPass

_PATIENCE = 1.0  # s that a robot without a chunk, which stands still, may be waiting behind others

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """What the scheduler did in one step.

    Attributes:
        kind: A prefill, or a pass.
        answers: How many answers it was for.
        rows: Of the pass that were used; of a prefill 0.
    """

    kind: Literal["prefill", "pass"]
    answers: int
    rows: int = 0


class AnswerScheduler:
    """Decodes the answers of all its sessions together.

    Ids are those of the robot alone with `repeatable` (docs/performance.md): every pass has one
    size, and each answer attends in a block and to a cache of fixed shape.

    Attributes:
        failure: Why no answer comes any more, mostly a device that was lost; None: all is well.
    """

    def __init__(
        self,
        checkpoint: LoadedCheckpoint,
        *,
        max_sessions: int,
        rows_per_pass: int = 64,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Allocate the caches of all sessions.

        Args:
            checkpoint: What all robots share; it stays the caller's.
            max_sessions: Robots at a time, each with a KV cache of the checkpoint's context length.
            rows_per_pass: Tokens of all robots together that a pass checks.
            clock: Of the deadlines, s.

        Raises:
            DeviceMemoryError: The caches do not fit on the device.
            ValueError: There are fewer rows than sessions, or no session.
        """
        if not 1 <= max_sessions <= rows_per_pass:
            raise ValueError(
                f"max_sessions is {max_sessions}, it must be 1 to rows_per_pass ({rows_per_pass}):"
                " each running answer has a row of every pass"
            )
        self.failure: Exception | None = None
        self._checkpoint, self._model = checkpoint, checkpoint.model
        self._max_sessions, self._rows, self._clock = max_sessions, rows_per_pass, clock
        self._eos = eos_ids(self._model)
        bins = checkpoint.bin_ids
        self._bin_ids = None if bins is None else bins.to(self._model.device)
        with device_faults(self._model, self._model.device, checkpoint.context_length):
            # A block may reach beyond the last token.
            capacity = checkpoint.context_length + rows_per_pass
            self._caches = CachePlaces(self._model, capacity, max_sessions)
        self._pass = SharedPass(self._model, self._caches, rows_per_pass)
        self._running: list[Request] = []
        self._prefilled = False  # since the last pass
        self._work = threading.Condition()  # guards what follows
        self._waiting: list[Request] = []
        self._sessions = 0
        self._stopped = False
        self._thread: threading.Thread | None = None

    @property
    def sessions(self) -> int:
        """How many sessions are open."""
        return self._sessions

    def open(self, settings: SessionSettings) -> Session:
        """Let one more robot in.

        Raises:
            TooManySessionsError: All places are taken.
            ValueError: The settings do not fit the checkpoint.
        """
        with self._work:
            if self._sessions >= self._max_sessions:
                raise TooManySessionsError(
                    f"all {self._max_sessions} sessions are taken: close one, or serve with a"
                    " larger max_sessions or more replicas"
                )
            self._sessions += 1
        try:
            stream = AnswerStream(self._checkpoint, settings)
        except BaseException:
            self._release()
            raise
        return Session(stream, self._submit, self._release)

    def check(self) -> tuple[str, ...]:
        """Compare a robot's rows alone with the same rows among others, before `start`.

        Returns:
            What is not as promised on this machine, a sentence each; it is logged as well.

        Raises:
            DeviceLostError: The device failed for good.
            DeviceMemoryError: The device's memory is too small.
        """
        with self._computing():
            if self._pass.rows_are_independent():
                return ()
        warning = (
            f"a row's logits depend on the rows beside it on {self._model.device}: where two tokens"
            " are nearly equally likely, a robot's answer may depend on what others ask"
        )
        _log.warning(warning)
        return (warning,)

    def start(self) -> None:
        """Run the passes in a thread of their own, from now to `stop`."""
        self._thread = threading.Thread(target=self._run, name="passes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the present pass; whoever waits for an answer gets StoppedError."""
        with self._work:
            self._stopped = True
            self._work.notify_all()
        if self._thread is not None:
            self._thread.join()
        self._end_all(StoppedError("the scheduler was stopped"))

    def step(self) -> Step | None:
        """Run one prefill or one pass in the calling thread; for who does not call `start`.

        Returns:
            What was done, None when there was nothing to do.
        """
        with self._work:
            self._drop_cancelled()
            request = None
            if self._waiting and not (self._prefilled and self._running):
                request = min(self._waiting, key=lambda one: (one.due, one.asked))
                self._waiting.remove(request)
        if request is None and not self._running:
            return None
        self._prefilled = request is not None
        try:
            return self._decode_all() if request is None else self._begin(request)
        except Exception as error:  # noqa: BLE001 - nobody would wait for a thread that has ended
            _log.error("no answer can be given any more: %s", error)
            self.failure = error
            if request is not None:
                request.fail(error)
            self._end_all(error)
            return None

    def _run(self) -> None:
        while True:
            with self._work:
                self._work.wait_for(lambda: self._stopped or self._waiting or self._running)
                if self._stopped:
                    return
            self.step()

    def _submit(self, request: Request) -> None:
        with self._work:
            ended: Exception | None = self.failure
            if self._stopped:
                ended = StoppedError("the scheduler was stopped")
            if ended is None:
                due = request.deadline
                # Without a chunk not behind others for ever.
                request.due = self._clock() + _PATIENCE if due is None else due
                self._waiting.append(request)
                self._work.notify_all()
        if ended is not None:
            request.fail(ended)

    def _release(self) -> None:
        with self._work:
            self._sessions -= 1

    def _drop_cancelled(self) -> None:
        for requests in (self._waiting, self._running):
            requests[:] = [r for r in requests if not r.future.done()]

    def _end_all(self, error: Exception) -> None:
        with self._work:
            ended, self._waiting = [*self._running, *self._waiting], []
        self._running = []
        for request in ended:
            request.fail(error)

    def _begin(self, request: Request) -> Step:
        """Vision and prefill of one answer."""
        stream, start = request.stream, time.perf_counter()
        request.seconds["wait"] = start - request.asked - request.seconds["preprocess"]
        with self._ending(request):
            prompt = Prompt(
                self._model, request.batch, stream.max_new_tokens, self._checkpoint.context_length
            )
            embeds = prompt.embed()
            seen = self._time()
            request.place = min(set(range(self._max_sessions)) - {r.place for r in self._running})
            cache = self._caches.places[request.place]
            request.answer = RunningAnswer(
                cache,
                stream.max_new_tokens,
                eos=self._eos,
                vocab_size=self._model.config.llm_config.vocab_size,
                repeatable=True,
                draft=stream.draft,
                probe_ids=self._bin_ids,
                form=stream.begin(request.observation),
            )
            request.answer.begin(prompt.prefill(embeds, cache))
            request.seconds |= {"vision": seen - start, "prefill": self._time() - seen}
            self._running.append(request)
        self._finish_done()
        return Step("prefill", 1)

    def _decode_all(self) -> Step:
        """One pass for all running answers."""
        running = self._running
        weights = urgencies([request.deadline for request in running], self._clock())
        shares = share_rows([request.chances() for request in running], weights, self._rows)
        blocks: dict[int, Block] = {}
        for request, rows in zip(running, shares, strict=True):
            if not request.future.done():
                with self._ending(request):
                    blocks[request.place] = request.lay_out(rows)
        if blocks:
            # Whose fault an error of the pass is cannot be known; those who wait go on.
            with self._ending(*running):
                logits, spans = self._pass(blocks)
                choices = logits.argmax(-1).tolist()  # the pass's only wait for the device
        for request in running:
            if request.place in blocks and not request.future.done():
                span = spans[request.place]
                with self._ending(request):
                    request.accept(choices[span], logits[span])
        self._finish_done()
        return Step("pass", len(blocks), sum(len(block.tokens) for block in blocks.values()))

    def _finish_done(self) -> None:
        for request in self._running:
            if not request.future.done() and request.answer is not None and request.answer.done:
                request.finish()
        self._running = [request for request in self._running if not request.future.done()]

    @contextmanager
    def _ending(self, *requests: Request) -> Iterator[None]:
        """Compute for these answers: what goes wrong ends them, and nothing else.

        Raises:
            DeviceLostError: No answer can go on.
        """
        try:
            with self._computing():
                yield
        except DeviceLostError:
            raise
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            for request in requests:
                request.fail(error)

    @contextmanager
    def _computing(self) -> Iterator[None]:
        device = self._model.device
        with (
            device_faults(self._model, device, self._checkpoint.context_length),
            computing_on(device),
            torch.no_grad(),
        ):
            yield

    def _time(self) -> float:
        if self._model.device.type == "cuda":
            torch.cuda.synchronize(self._model.device)
        return time.perf_counter()
