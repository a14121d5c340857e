# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Replicas as applications of Ray Serve: Ray places them, one per GPU, and restarts them.

Robots do not connect to Ray: its HTTP proxies are off, its ports need a token that each start draws
anew. Requests go to a replica by its handle, as bytes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from typing import Any

# Read by Ray at its import. Serve's replicas listen on all addresses and unpickle what they get.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.setdefault("RAY_AUTH_MODE", "token")

import ray  # noqa: E402
from ray import serve  # noqa: E402
from ray.exceptions import RayError, RayTaskError  # noqa: E402
from ray.serve.exceptions import RayServeException  # noqa: E402

from molmoact_ros.remote.wire import (  # noqa: E402
    Answer,
    Error,
    Hello,
    Infer,
    Refusal,
    Welcome,
)

from .fleet import ReplicaDownError  # noqa: E402
from .worker import Worker, WorkerSettings  # noqa: E402

_HEALTH = 2.0  # s between two looks of Ray's controller at a replica
_HUNG = 20.0  # s after which one that does not answer is restarted; prefill holds the lock
_OBJECTS = 200_000_000  # bytes of shared memory for messages on their way


class RayWorker:
    """A worker in a process of Ray's."""

    def __init__(self, settings: WorkerSettings, version: int) -> None:
        _listen_here_only()
        self._worker = Worker(settings)
        self._worker.load()

    async def alive(self) -> None:
        """See `Replica.alive`."""
        await self._worker.alive()

    async def open(self, hello: Hello) -> Welcome | Refusal:
        """See `Replica.open`."""
        return await self._worker.open(hello)

    async def infer(self, hello: Hello, request: Infer) -> Answer | Error | Refusal:
        """See `Replica.infer`."""
        return await self._worker.infer(hello, request)

    async def close(self, robot: str) -> None:
        """See `Replica.close`."""
        await self._worker.close(robot)

    def check_health(self) -> None:
        """Have Ray restart a replica whose device has failed; Ray calls it."""
        self._worker.check_health()


class RayReplica:
    """A replica by its handle."""

    def __init__(self, number: int, settings: WorkerSettings, gpus: bool) -> None:
        self._name = f"molmoact_{number}"
        self._settings = settings
        self._options = {"num_gpus": 1} if gpus else {"num_cpus": 1}
        self._version = 0
        self._handle: Any = None

    def target(self) -> serve.RunTarget:
        """Return what Ray shall run; each time another one, so that it replaces the last."""
        self._version += 1
        deployment = serve.deployment(RayWorker).options(
            num_replicas=1,
            max_ongoing_requests=10_000,  # the front end has bounds of its own
            ray_actor_options=self._options,
            health_check_period_s=_HEALTH,
            health_check_timeout_s=_HUNG,
            graceful_shutdown_timeout_s=1.0,
            logging_config={"enable_access_log": False, "log_level": "ERROR"},
        )
        application = deployment.bind(self._settings, self._version)
        return serve.RunTarget(application, name=self._name, route_prefix=None)

    def take(self, handle: Any) -> None:
        """Use a handle from now on."""
        self._handle = handle

    async def alive(self) -> None:
        """See `Replica.alive`."""
        try:
            await self._call("alive")
        except RayTaskError as error:  # Ray starts it again
            raise ReplicaDownError(str(error.cause)) from error

    async def open(self, hello: Hello) -> Welcome | Refusal:
        """See `Replica.open`."""
        return await self._call("open", hello)

    async def infer(self, hello: Hello, request: Infer) -> Answer | Error | Refusal:
        """See `Replica.infer`."""
        return await self._call("infer", hello, request)

    async def close(self, robot: str) -> None:
        """See `Replica.close`."""
        await self._call("close", robot)

    async def replace(self) -> None:
        """See `Replica.replace`."""
        self._handle = (await asyncio.to_thread(serve.run_many, [self.target()]))[0]

    async def _call(self, method: str, *arguments: Any) -> Any:
        response = getattr(self._handle, method).remote(*arguments)
        try:
            return await response
        except asyncio.CancelledError:
            response.cancel()
            raise
        except RayTaskError:
            raise  # of the worker's own code, which goes on
        except (RayError, RayServeException) as error:
            raise ReplicaDownError(str(error)) from error


class RayFleet:
    """Ray, started here or joined, and the replicas that it runs."""

    def __init__(self, settings: WorkerSettings, replicas: int, cluster: str | None) -> None:
        """Start Ray, or join a cluster.

        Args:
            settings: Of each replica.
            replicas: Their number.
            cluster: Address of a running Ray cluster, or "auto"; None: one of this machine alone.

        Raises:
            RuntimeError: There is no such cluster, or it cannot be joined.
        """
        if cluster is None:
            # Nobody but this process and its children knows it.
            os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
            local = {
                "include_dashboard": False,
                "_node_ip_address": "127.0.0.1",  # ports are bound to it
                "object_store_memory": _OBJECTS,
            }
        try:
            ray.init(
                address=cluster or "local",
                namespace="molmoact",
                log_to_driver=True,
                logging_level=logging.ERROR,
                **({} if cluster else local),
            )
        except (ConnectionError, RayError) as error:
            raise RuntimeError(f"--cluster {cluster}: {error}") from error
        logging.getLogger("ray.serve").setLevel(logging.ERROR)
        serve.start(proxy_location="Disabled", logging_config={"log_level": "ERROR"})
        gpus = settings.request.device != "cpu"
        self.replicas = [RayReplica(number, settings, gpus) for number in range(replicas)]

    def start(self) -> None:
        """Load all replicas, at the same time.

        Raises:
            RuntimeError: One has ended while it loaded; the text has its last words.
        """
        handles = serve.run_many([replica.target() for replica in self.replicas])
        for replica, handle in zip(self.replicas, handles, strict=True):
            replica.take(handle)

    def stop(self) -> None:
        """End all processes."""
        serve.shutdown()
        ray.shutdown()


def _listen_here_only() -> None:
    """Bind the port by which replicas call each other, which nothing here uses, to 127.0.0.1.

    Serve binds it to all addresses and has no setting for that; test_ray.py looks at the ports.
    """
    from ray.serve._private import replica

    listen = replica.add_port_to_grpc_server
    replica.add_port_to_grpc_server = lambda server, address: listen(server, "127.0.0.1:0")
