# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A server in this process: real sockets, the shipped checkpoint, limits that a test can reach."""

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from molmoact_ros.policy.preflight import PolicyRequest
from molmoact_ros.policy.types import Observation
from molmoact_ros.serve.access import Access, Limits
from molmoact_ros.serve.fleet import Fleet
from molmoact_ros.serve.front import Front
from molmoact_ros.serve.worker import Worker, WorkerSettings

CHECKPOINT = Path(__file__).parents[2] / "checkpoints" / "tabletop"


class Server:
    """A front end in a thread; `front` may only be looked at."""

    def __init__(
        self,
        worker: Worker,
        access: Access,
        limits: Limits,
        sessions: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.front = Front(Fleet([worker], sessions), access, limits, sessions)
        self._server = self._call(self.front.listen("127.0.0.1", 0, tls))
        self.port = int(self._server.sockets[0].getsockname()[1])
        self.url = f"ws://127.0.0.1:{self.port}"

    def close(self) -> None:
        """End all connections."""

        async def end() -> None:
            self._server.close()
            await self._server.wait_closed()

        self._call(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, coroutine):  # type: ignore[no-untyped-def]
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60.0)


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    request = PolicyRequest(CHECKPOINT, device="cpu", dtype="float32")
    worker = Worker(WorkerSettings(request, max_sessions=4))
    worker.load()
    yield worker
    worker.unload()


@pytest.fixture
def serve(worker: Worker) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def start(
        limits: Limits | None = None,
        tokens: dict[str, str] | None = None,
        sessions: int = 4,
        tls: ssl.SSLContext | None = None,
    ) -> Server:
        started.append(Server(worker, Access(tokens or {}), limits or Limits(), sessions, tls))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture(scope="session")
def seen() -> Observation:
    """Return what a camera may see."""
    picture = np.full((252, 252, 3), 127, np.uint8)
    picture[100:150, 60:160] = (200, 30, 30)
    return Observation({"primary": picture}, "reach the red block", stamp=0.0)
