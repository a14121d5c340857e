# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The life of a server: load, listen, load again at SIGHUP, end at SIGINT and SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
from collections.abc import Callable

from .fleet import Fleet
from .front import Front

log = logging.getLogger("molmoact-serve")


async def run_front(
    fleet: Fleet,
    front: Front,
    host: str,
    port: int,
    tls: ssl.SSLContext | None,
    ready: Callable[[int], None],
) -> None:
    """Serve until SIGINT or SIGTERM comes.

    Args:
        fleet: Its replicas are ready.
        front: The connections to the robots.
        host: To listen on.
        port: 0: any that is free.
        tls: None: plain.
        ready: Called with the port when robots can connect.

    Raises:
        OSError: The address cannot be listened on.
        ReplicaLostError: The only replica, in this process, has failed for good.
    """
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    replacing: set[asyncio.Task[None]] = set()

    def replace() -> None:
        if replacing:
            log.warning("SIGHUP: the checkpoint is being loaded already")
        else:
            replacing.add(loop.create_task(_replace(fleet, replacing)))

    for number, action in {
        signal.SIGINT: end.set,
        signal.SIGTERM: end.set,
        signal.SIGHUP: replace,
    }.items():
        loop.add_signal_handler(number, action)
    server = await front.listen(host, port, tls)
    tasks = {loop.create_task(end.wait()), loop.create_task(fleet.watch())}
    try:
        ready(server.sockets[0].getsockname()[1])
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks | replacing:
            task.cancel()
        server.close()
        await server.wait_closed()


async def _replace(fleet: Fleet, replacing: set[asyncio.Task[None]]) -> None:
    try:
        await fleet.replace()
        log.info("all replicas have loaded the checkpoint again")
    except Exception as error:
        log.error("the checkpoint was not loaded: %s", error)
    finally:
        replacing.clear()
