# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One replica: a checkpoint on a device, and the sessions of the robots that it answers."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from molmoact_ros.answer import ActionStats
from molmoact_ros.faults import DeviceLostError, DeviceMemoryError, StoppedError
from molmoact_ros.model.memory import stored_bytes
from molmoact_ros.policy.checkpoint_profile import CheckpointProfile
from molmoact_ros.policy.model_input import WARM_UP_SIZE
from molmoact_ros.policy.pixels import MAX_IMAGE_PIXELS
from molmoact_ros.policy.preflight import PolicyRequest, check_policy
from molmoact_ros.policy.types import Observation, Reasoning
from molmoact_ros.processing.tokenizer import reserved_tokens
from molmoact_ros.remote.exchange import (
    answer_message,
    differences,
    observation_of,
    package_version,
    profile_message,
    profile_of,
    statistics_message,
)
from molmoact_ros.remote.wire import (
    PROTOCOL,
    Answer,
    Error,
    Hello,
    Infer,
    Limits,
    Passes,
    Refusal,
    Welcome,
)
from molmoact_ros.small_files import one_line

from .batching import (
    AnswerScheduler,
    LoadedCheckpoint,
    Session,
    SessionSettings,
    TooManySessionsError,
)
from .fleet import ReplicaDownError, ReplicaLostError

if TYPE_CHECKING:
    from molmoact_ros.model.loading import LoadProgress

_WARM_UP_TOKENS = 16

log = logging.getLogger("molmoact-serve")


@dataclass(frozen=True)
class WorkerSettings:
    """What a replica loads, and how many robots it answers.

    Attributes:
        request: The checkpoint, and how it shall run.
        max_sessions: Robots at once; each has a cache of its own.
        idle: s without a request after which a session's memory is freed.
        image_pixels: Largest width x height of a picture.
    """

    request: PolicyRequest
    max_sessions: int = 8
    idle: float = 60.0
    image_pixels: int = MAX_IMAGE_PIXELS


@dataclass
class _Open:
    """A session that is open here."""

    hello: Hello
    session: Session
    profile: CheckpointProfile
    stats: ActionStats
    used: float
    lock: asyncio.Lock


class Worker:
    """Answers robots; its methods are called in one event loop, passes run in their own thread."""

    def __init__(
        self, settings: WorkerSettings, progress: Callable[[LoadProgress], None] | None = None
    ) -> None:
        """Prepare; `load` loads.

        Args:
            settings: What to load.
            progress: Called while weights are loaded.
        """
        self._settings = settings
        self._progress = progress
        self._sessions: dict[str, _Open] = {}
        self._checkpoint: LoadedCheckpoint | None = None
        self._scheduler: AnswerScheduler | None = None
        self._passes: Passes | None = None
        self._loading = threading.Lock()
        self._fault: Exception | None = None
        self._opening = asyncio.Lock()
        self._limits = Limits(picture_pixels=settings.image_pixels)

    def load(self) -> None:
        """Load the checkpoint and begin to answer; blocks.

        Raises:
            CheckpointError: A file is missing or broken, or a setting does not fit.
            DeviceLostError: The device failed for good.
            DeviceMemoryError: Others took the device's memory.
        """
        with self._loading:
            found = check_policy(self._settings.request)
            for warning in found.warnings:
                log.warning(warning)
            found.require()  # or the one before stays
            self.unload()  # there may be no room for two
            try:
                self._checkpoint = LoadedCheckpoint.from_preflight(found, self._progress)
                scheduler = AnswerScheduler(
                    self._checkpoint, max_sessions=self._settings.max_sessions
                )
                self._passes = _checked(scheduler)
                scheduler.start()
                _warm_up(scheduler, self._checkpoint)
            except Exception as error:
                self._fault = error
                raise
            self._scheduler = scheduler

    def unload(self) -> None:
        """End all sessions and give the memory back."""
        scheduler, self._scheduler = self._scheduler, None
        self._sessions.clear()
        if scheduler is not None:
            scheduler.stop()
        checkpoint, self._checkpoint = self._checkpoint, None
        if checkpoint is not None:
            checkpoint.close()

    def check_health(self) -> None:
        """Raise `ReplicaLostError` when only a new process helps."""
        lost = self._fault or (self._scheduler and self._scheduler.failure)
        if lost:
            raise ReplicaLostError(one_line(lost))

    async def alive(self) -> None:
        """See `Replica.alive`."""
        self.check_health()

    async def open(self, hello: Hello) -> Welcome | Refusal:
        """See `Replica.open`."""
        opened = await self._open(hello)
        return opened if isinstance(opened, Refusal) else self._welcome(opened)

    async def infer(self, hello: Hello, request: Infer) -> Answer | Error | Refusal:
        """Answer a request; the newest one of a robot is answered, the one before is given up."""
        opened = await self._open(hello)
        if isinstance(opened, Refusal):
            return opened
        opened.session.cancel()
        try:
            async with opened.lock:
                return await self._infer(opened, request)
        except ValueError as error:
            return Error(request.sequence, "observation", str(error)[:2000])
        except DeviceMemoryError as error:
            return Error(request.sequence, "memory", one_line(error))
        except (DeviceLostError, StoppedError) as error:
            raise ReplicaDownError(one_line(error)) from None

    async def close(self, robot: str) -> None:
        """End a robot's session."""
        self._close(robot)

    async def replace(self) -> None:
        """Load again; sessions begin anew."""
        await asyncio.to_thread(self.load)

    async def _infer(self, opened: _Open, request: Infer) -> Answer | Error:
        left, begun, checkpoint = request.seconds_left, time.monotonic(), self._ready
        opened.used = math.inf

        def ask() -> concurrent.futures.Future[Reasoning]:
            seen = observation_of(request, self._limits)
            # Those of a message cannot be written to, which torch would warn of.
            images = {name: np.array(image) for name, image in seen.images.items()}
            seen = replace(seen, images=images)
            return opened.session.infer(seen, None if left is None else begun + left)

        asking = asyncio.ensure_future(asyncio.to_thread(ask))  # decodes and resizes pictures
        try:
            future = await asyncio.shield(asking)
            answered = asyncio.wrap_future(future)
            await asyncio.wait([answered])
            if answered.cancelled():
                return Error(request.sequence, "stopped", "a newer request has come")
            reasoning, depth = answered.result(), None
            if request.depth and reasoning.depth_codes is not None:
                depth = await asyncio.to_thread(checkpoint.relative_depth, reasoning.depth_codes)
            forms = opened.session.forms
            return answer_message(
                request.sequence,
                reasoning,
                depth=depth,
                drafts_learn=opened.session.drafts_learn,
                form_learned=None if forms is None else forms[request.hint is not None].learned,
            )
        finally:
            # A thread cannot be cancelled: what it submits would be computed for nobody, and meet
            # the robot's next request.
            await asyncio.wait([asking])
            opened.session.cancel()
            opened.used = time.monotonic()

    @property
    def _ready(self) -> LoadedCheckpoint:
        if self._checkpoint is None:
            raise ReplicaDownError("it loads another checkpoint")
        return self._checkpoint

    def _welcome(self, opened: _Open) -> Welcome:
        checkpoint = self._ready
        return Welcome(
            protocol=PROTOCOL,
            package=package_version(),
            checkpoint=Path(self._settings.request.checkpoint).name[:256],
            device=str(checkpoint.model.device),
            precision=str(self._settings.request.quantization or self._settings.request.dtype),
            weights_bytes=stored_bytes(checkpoint.model),
            repeatable=True,
            passes=self._passes,
            profile=profile_message(opened.profile),
            statistics=statistics_message(opened.stats),
            reserved=_reserved(checkpoint),
            limits=self._limits,
        )

    async def _open(self, hello: Hello) -> _Open | Refusal:
        """Return the session of a robot, another one where its hello is another one."""
        async with self._opening:
            opened = self._sessions.get(hello.robot)
            if opened is not None and opened.hello == hello:
                return opened
            self._close(hello.robot)
            if self._scheduler is None or self._checkpoint is None:
                raise ReplicaDownError("it loads a checkpoint")
            self._end_idle()
            begin = partial(_begin, hello, self._checkpoint, self._scheduler)
            fresh = await asyncio.to_thread(begin)
            if isinstance(fresh, _Open):
                self._sessions[hello.robot] = fresh
            return fresh

    def _end_idle(self) -> None:
        """End the sessions that are idle, and in any case enough for one more.

        The front end counts robots; one here above that number has moved to another replica.
        """
        by_age = sorted(self._sessions, key=lambda robot: self._sessions[robot].used)
        surplus = len(by_age) - self._settings.max_sessions + 1
        now = time.monotonic()
        for number, robot in enumerate(by_age):
            if number < surplus or now - self._sessions[robot].used > self._settings.idle:
                self._close(robot)

    def _close(self, robot: str) -> None:
        opened = self._sessions.pop(robot, None)
        if opened is not None:
            opened.session.close()


def _begin(
    hello: Hello, checkpoint: LoadedCheckpoint, scheduler: AnswerScheduler
) -> _Open | Refusal:
    wanted = hello.settings
    try:
        profile = checkpoint.profile if hello.profile is None else profile_of(hello.profile)
        key = wanted.unnorm_key or profile.answer.unnorm_key or checkpoint.unnorm_key
        stats = ActionStats.from_norm_stats(checkpoint.model.config.norm_stats, key)
        if found := differences(hello, checkpoint.profile, stats):
            return Refusal("settings", "robot and checkpoint do not fit together", found)
        settings = SessionSettings(
            profile=profile,
            unnorm_key=stats.key,
            rows=wanted.rows or None,
            max_new_tokens=wanted.max_new_tokens or None,
            action_decoding="argmax" if wanted.action_decoding == "argmax" else "expectation",
            constrained=wanted.constrained,
            max_overruled=wanted.max_overruled,
        )
        session = scheduler.open(settings)
    except ValueError as error:
        return Refusal("settings", str(error)[:2000])
    except TooManySessionsError as error:
        return Refusal("full", str(error)[:2000])
    return _Open(hello, session, profile, stats, time.monotonic(), asyncio.Lock())


def _reserved(checkpoint: LoadedCheckpoint) -> tuple[str, ...]:
    tokens = reserved_tokens(checkpoint.processor.tokenizer).values()
    return (*dict.fromkeys(tokens), *checkpoint.action_tokenizer.strings)


def _checked(scheduler: AnswerScheduler) -> Passes:
    """Check whether robots' answers are independent of each other on this machine."""
    started = time.perf_counter()
    warnings = scheduler.check()
    return Passes(captured=False, seconds=time.perf_counter() - started, warnings=warnings)


def _warm_up(scheduler: AnswerScheduler, checkpoint: LoadedCheckpoint) -> None:
    """Run everything once, so that the first robot does not wait for it."""
    image = np.full((*WARM_UP_SIZE, 3), 127, np.uint8)
    images = {name: image for name in checkpoint.profile.prompt.cameras}
    session = scheduler.open(SessionSettings(max_new_tokens=_WARM_UP_TOKENS))
    try:
        session.infer(Observation(images, "wait")).result()
        checkpoint.relative_depth(np.zeros((10, 10), np.uint8))
    finally:
        session.close()
