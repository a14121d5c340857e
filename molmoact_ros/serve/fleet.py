# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""All replicas as one: a session keeps to its replica, and moves when that one dies."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from molmoact_ros.remote.wire import Answer, Error, Hello, Infer, Refusal, Welcome

from .placement import NoPlaceError, Placement

_WATCH = 1.0  # s between two looks at a replica
_SLOW = 3.0  # s without an answer to a look after which a replica counts as down
_WAIT = 0.05  # s until a place is looked for again

T = TypeVar("T")

log = logging.getLogger("molmoact-serve")


class ReplicaDownError(RuntimeError):
    """A replica has died, or does not answer; it may come back."""


class ReplicaLostError(ReplicaDownError):
    """A replica will not come back: nobody starts it again."""


class Replica(Protocol):
    """One copy of the checkpoint, wherever it runs; all of it may raise `ReplicaDownError`."""

    async def alive(self) -> None:
        """Return when it can answer."""

    async def open(self, hello: Hello) -> Welcome | Refusal:
        """Check what a robot expects, and begin its session."""

    async def infer(self, hello: Hello, request: Infer) -> Answer | Error | Refusal:
        """Answer a request; a session that is not known is opened, or refused."""

    async def close(self, robot: str) -> None:
        """Free what a robot's session holds; nothing where there is none."""

    async def replace(self) -> None:
        """Read the checkpoint again, from where it was read."""


class Fleet:
    """Asks the replica that holds a session, another one where that has died."""

    def __init__(self, replicas: Sequence[Replica], max_sessions: int) -> None:
        """Take replicas that are ready.

        Args:
            replicas: One per device.
            max_sessions: That one replica holds.
        """
        self._replicas = replicas
        self._placement = Placement(len(replicas), max_sessions)
        self._replacing: set[int] = set()
        self._asking: dict[int, set[asyncio.Task[Any]]] = {n: set() for n in range(len(replicas))}
        for number in range(len(replicas)):
            self._placement.set_up(number, True)

    @property
    def up(self) -> int:
        """How many replicas can answer."""
        return len(self._placement.up)

    async def open(self, hello: Hello) -> Welcome | Refusal:
        """Begin a robot's session on a replica that has a place."""
        while True:
            try:
                number = self._placement.place(hello.robot)
            except NoPlaceError as error:
                return Refusal("loading" if self._replacing else "full", str(error))
            try:
                reply = await self._ask(number, self._replicas[number].open(hello))
            except ReplicaDownError as error:
                self._set_down(number, error)
                continue
            if isinstance(reply, Refusal):
                self._placement.leave(hello.robot)
            return reply

    async def infer(self, hello: Hello, request: Infer) -> Answer | Error | Refusal:
        """Answer a request, waiting for a replica while there is no place on any.

        The wait has no end: whoever calls knows how long the answer is of use.
        """
        while True:
            try:
                number = self._placement.place(hello.robot)
            except NoPlaceError:
                await asyncio.sleep(_WAIT)
                continue
            try:
                return await self._ask(number, self._replicas[number].infer(hello, request))
            except ReplicaDownError as error:
                self._set_down(number, error)

    async def close(self, robot: str) -> None:
        """End a robot's session."""
        number = self._placement.leave(robot)
        if number is not None:
            try:
                await self._ask(number, self._replicas[number].close(robot))
            except ReplicaDownError as error:
                self._set_down(number, error)

    async def watch(self) -> None:
        """Look after the replicas, for ever.

        Raises:
            ReplicaLostError: One will not come back.
        """
        await asyncio.gather(*(self._watch(number) for number in range(len(self._replicas))))

    async def _watch(self, number: int) -> None:
        while True:
            await asyncio.sleep(_WATCH)
            error: Exception | None = None
            try:
                await asyncio.wait_for(self._replicas[number].alive(), _SLOW)
            except ReplicaLostError:
                raise
            except (ReplicaDownError, asyncio.TimeoutError) as found:
                error = found
            if number in self._replacing:
                continue
            if error is not None:
                self._set_down(number, error)
            elif number not in self._placement.up:
                log.warning("replica %d is up again", number)
                self._placement.set_up(number, True)

    async def replace(self) -> None:
        """Have the replicas read the checkpoint again, one after the other.

        Raises:
            Exception: What the first one raises that cannot; the others keep what they have.
        """
        for number, replica in enumerate(self._replicas):
            log.info("replica %d loads the checkpoint again", number)
            self._replacing.add(number)
            self._leave(number)
            try:
                await replica.replace()
                self._placement.set_up(number, True)
            finally:
                self._replacing.discard(number)

    async def _ask(self, number: int, asked: Coroutine[Any, Any, T]) -> T:
        """Await a replica's reply, but not of one that is found to be down meanwhile.

        Ray Serve keeps what it has not handed to a replica that dies for the next one, which first
        has to load.
        """
        task = asyncio.get_running_loop().create_task(asked)
        self._asking[number].add(task)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            self._asking[number].discard(task)
        if task.cancelled():
            raise ReplicaDownError("it went down")
        return task.result()

    def _set_down(self, number: int, error: BaseException) -> None:
        if number in self._placement.up:
            log.warning("replica %d is down: %s", number, str(error).partition("\n")[0] or "silent")
            self._leave(number)

    def _leave(self, number: int) -> None:
        """Take sessions and requests away from a replica."""
        self._placement.set_up(number, False)
        for task in self._asking[number]:
            task.cancel()
