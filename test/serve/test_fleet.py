# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot is answered by another replica when its own one dies, and never by two at once."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest

from molmoact_ros.remote.wire import Answer, Error, Hello, Infer, Picture, Refusal
from molmoact_ros.serve import fleet as module
from molmoact_ros.serve.fleet import Fleet, ReplicaDownError, ReplicaLostError

PICTURE = Picture("primary", rgb=np.zeros((1, 1, 3), np.uint8))


def hello(robot: str = "arm") -> Hello:
    return Hello(protocol=1, package="", robot=robot, session="s")


def request(sequence: int = 0) -> Infer:
    return Infer(sequence, (PICTURE,), "wait")


class Replica:
    """Answers with its name; can be killed, be silent, and load for as long as a test wants."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.fault: Exception | None = None
        self.silent = False
        self.loading = asyncio.Event()
        self.loading.set()
        self.asked: list[str] = []

    async def alive(self) -> None:
        """Return when it can answer."""
        await self._answer("alive")

    async def open(self, hello: Hello) -> Any:
        """Refuse, with the name."""
        await self._answer(f"open {hello.robot}")
        return Refusal("full", self.name)

    async def infer(self, hello: Hello, request: Infer) -> Answer | Error | Refusal:
        """Answer with the name."""
        await self._answer(f"infer {hello.robot}")
        return Error(request.sequence, "fault", self.name)

    async def close(self, robot: str) -> None:
        """Note it."""
        await self._answer(f"close {robot}")

    async def replace(self) -> None:
        """Load until the test lets it."""
        self.loading.clear()
        await self.loading.wait()
        if self.fault:
            raise self.fault

    async def _answer(self, what: str) -> None:
        self.asked.append(what)
        if self.silent:
            await asyncio.Event().wait()
        if self.fault:
            raise self.fault


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60.0))


async def who(fleet: Fleet, robot: str = "arm") -> str:
    reply = await fleet.infer(hello(robot), request())
    assert isinstance(reply, Error)
    return reply.sentence


def test_a_robot_keeps_its_replica_and_moves_when_that_one_dies() -> None:
    async def test() -> None:
        a, b = Replica("a"), Replica("b")
        fleet = Fleet([a, b], 2)
        assert [await who(fleet) for _ in range(3)] == ["a", "a", "a"]
        a.fault = ReplicaDownError("killed")
        assert await who(fleet) == "b"
        assert fleet.up == 1
        a.fault = None
        assert await who(fleet) == "b"

    run(test())


def test_a_request_waits_while_no_replica_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WATCH", 0.01)

    async def test() -> None:
        a = Replica("a")
        fleet = Fleet([a], 2)
        a.fault = ReplicaDownError("killed")
        asked = asyncio.ensure_future(who(fleet))
        watch = asyncio.ensure_future(fleet.watch())
        while fleet.up:
            await asyncio.sleep(0.01)
        assert not asked.done()
        a.fault = None
        assert await asked == "a"
        watch.cancel()

    run(test())


def test_what_a_silent_replica_was_asked_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WATCH", 0.01)
    monkeypatch.setattr(module, "_SLOW", 0.05)

    async def test() -> None:
        a, b = Replica("a"), Replica("b")
        fleet = Fleet([a, b], 2)
        a.silent = True
        watch = asyncio.ensure_future(fleet.watch())
        assert await who(fleet) == "b"
        watch.cancel()

    run(test())


def test_replicas_load_one_after_the_other_and_robots_are_answered_meanwhile() -> None:
    async def test() -> None:
        a, b = Replica("a"), Replica("b")
        fleet = Fleet([a, b], 2)
        assert await who(fleet) == "a"
        replacing = asyncio.ensure_future(fleet.replace())
        while a.loading.is_set():
            await asyncio.sleep(0)
        assert b.loading.is_set() and await who(fleet) == "b"
        a.loading.set()
        while b.loading.is_set():
            await asyncio.sleep(0)
        assert await who(fleet) == "a"
        b.loading.set()
        await replacing
        assert fleet.up == 2

    run(test())


def test_what_is_computed_when_a_replica_begins_to_load_is_asked_of_another() -> None:
    async def test() -> None:
        a, b = Replica("a"), Replica("b")
        fleet = Fleet([a, b], 2)
        a.silent = True
        asked = asyncio.ensure_future(who(fleet))
        while not a.asked:
            await asyncio.sleep(0)
        replacing = asyncio.ensure_future(fleet.replace())
        assert await asked == "b"
        replacing.cancel()

    run(test())


def test_a_checkpoint_that_cannot_be_loaded_leaves_the_other_replicas_alone() -> None:
    async def test() -> None:
        a, b = Replica("a"), Replica("b")
        fleet = Fleet([a, b], 2)
        replacing = asyncio.ensure_future(fleet.replace())
        while a.loading.is_set():
            await asyncio.sleep(0)
        a.fault = ValueError("config.json is missing")
        a.loading.set()
        with pytest.raises(ValueError, match="config.json"):
            await replacing
        assert b.loading.is_set() and await who(fleet) == "b"

    run(test())


def test_a_replica_that_will_not_come_back_ends_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WATCH", 0.01)

    async def test() -> None:
        a = Replica("a")
        a.fault = ReplicaLostError("CUDA error")
        with pytest.raises(ReplicaLostError, match="CUDA"):
            await Fleet([a], 2).watch()

    run(test())


def test_a_robot_that_stops_waiting_stops_the_replica() -> None:
    async def test() -> None:
        a = Replica("a")
        a.silent = True
        fleet = Fleet([a], 2)
        asked = asyncio.ensure_future(who(fleet))
        while not a.asked:
            await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait([asked])
        a.silent = False
        assert await who(fleet) == "a"

    run(test())


def test_a_refused_robot_takes_no_place() -> None:
    async def test() -> None:
        fleet = Fleet([Replica("a")], 1)
        for robot in ("x", "y"):
            reply = await fleet.open(hello(robot))
            assert isinstance(reply, Refusal) and reply.sentence == "a"

    run(test())
