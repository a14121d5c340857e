# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""molmoact-serve: one checkpoint for many robots."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from molmoact_ros.output_files import reports_write_errors
from molmoact_ros.serve.access import (
    DEFAULT_PORT,
    Access,
    Limits,
    is_loopback,
    parse_address,
    read_tokens,
    tls_context,
)
from molmoact_ros.small_files import one_line

from .policy_arguments import (
    add_image_limit,
    add_loading_arguments,
    loading_request,
    positive,
    show_progress,
)

if TYPE_CHECKING:
    from molmoact_ros.serve.fleet import Replica
    from molmoact_ros.serve.worker import WorkerSettings

_NO_RAY = "more than one replica needs Ray Serve; run: python -m pip install 'ray[serve]'"


@reports_write_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0: ended by a signal, 1: an error, 78: wrong settings."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("molmoact-serve").setLevel(logging.INFO)
    logging.getLogger("molmoact-serve.websocket").setLevel(logging.CRITICAL)
    logging.getLogger("transformers").setLevel(logging.ERROR)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in the policy node
    try:
        return _run(arguments)
    except ValueError as error:
        print(f"molmoact-serve: {one_line(error)}", file=sys.stderr)
        return os.EX_CONFIG
    except (RuntimeError, MemoryError) as error:
        print(f"molmoact-serve: {one_line(error)}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="molmoact-serve",
        description="Answer many robots with one MolmoAct checkpoint. A robot connects by the "
        "policy node's parameter `server` instead of `checkpoint`. SIGHUP loads the checkpoint "
        "again, one replica after the other.",
        epilog="Exit code: 0 when ended by SIGINT or SIGTERM, 1 for an error, 78 for wrong "
        "settings. Example: molmoact-serve allenai/MolmoAct-7B-D-0812 --address 0.0.0.0 "
        "--tokens tokens.yaml --certificate server.pem --key server.key",
    )
    add = parser.add_argument
    add("checkpoint", metavar="CHECKPOINT", help="directory, or hub id owner/name")
    add("--address", default=f"127.0.0.1:{DEFAULT_PORT}", metavar="HOST[:PORT]",
        help="to listen on (%(default)s); others than 127.0.0.1 need --tokens")  # fmt: skip
    add("--tokens", metavar="FILE", help="YAML file 'robot: token', readable by its owner only")
    add("--certificate", metavar="FILE", help="certificate chain (PEM): TLS")
    add("--key", metavar="FILE", help="its private key (PEM)")
    add("--replicas", type=positive, default=1, metavar="N",
        help="copies of the checkpoint, one per GPU; more than one need Ray Serve (1)")  # fmt: skip
    add("--cluster", metavar="ADDRESS",
        help="run the replicas on this Ray cluster; auto: that of this machine")  # fmt: skip
    add("--max-sessions", type=positive, default=8, metavar="N",
        help="robots at once on each replica (8); each needs memory for its cache")  # fmt: skip
    add_loading_arguments(parser)
    add_image_limit(parser)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    host, port = parse_address(arguments.address)
    access = read_tokens(arguments.tokens) if arguments.tokens else Access()
    if not is_loopback(host) and not access.tokens:
        raise ValueError(
            f"--address: others than this machine can connect to {host}: give each robot a token "
            "(--tokens FILE)"
        )
    if (arguments.certificate is None) != (arguments.key is None):
        raise ValueError("--certificate and --key: one of them is missing")
    tls = tls_context(arguments.certificate, arguments.key) if arguments.key else None
    if tls is None and not is_loopback(host):
        text = "warning: without --certificate the network can read tokens and pictures"
        print(text, file=sys.stderr)

    from molmoact_ros.serve.fleet import Fleet
    from molmoact_ros.serve.front import Front
    from molmoact_ros.serve.running import run_front
    from molmoact_ros.serve.worker import WorkerSettings

    settings = WorkerSettings(
        request=loading_request(arguments),
        max_sessions=arguments.max_sessions,
        idle=Limits.idle,
        image_pixels=arguments.max_image_pixels,
    )
    start = time.monotonic()
    for number in (signal.SIGINT, signal.SIGTERM):  # while loading
        signal.signal(number, _end)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def ready(port: int) -> None:
        scheme = "ws" if tls is None else "wss"
        name = f"[{host}]" if ":" in host else host
        print(f"ready after {time.monotonic() - start:.0f} s: {scheme}://{name}:{port} "
              f"({len(replicas)} of {arguments.replicas} replicas, "
              f"{capacity} robots at most)", flush=True)  # fmt: skip

    with _replicas(arguments, settings) as replicas:
        capacity = arguments.max_sessions * len(replicas)
        fleet = Fleet(replicas, arguments.max_sessions)
        front = Front(fleet, access, Limits(), capacity)
        asyncio.run(run_front(fleet, front, host, port, tls, ready))
    return 0


@contextmanager
def _replicas(
    arguments: argparse.Namespace, settings: WorkerSettings
) -> Iterator[Sequence[Replica]]:
    """Load the replicas: here where it is one, by Ray where there are more; end them at the end."""
    if arguments.replicas == 1 and arguments.cluster is None:
        from molmoact_ros.serve.worker import Worker

        worker = Worker(settings, show_progress if sys.stderr.isatty() else None)
        print(f"loading {arguments.checkpoint} ...", flush=True)
        try:
            worker.load()
            yield [worker]
        finally:
            worker.unload()
        return
    try:
        from molmoact_ros.serve.ray_replicas import RayFleet
    except ImportError as error:
        raise ValueError(f"{_NO_RAY} ({error})") from error
    print(
        f"starting Ray and {arguments.replicas} replicas of {arguments.checkpoint} ...", flush=True
    )
    ray_fleet = RayFleet(settings, arguments.replicas, arguments.cluster)
    try:
        ray_fleet.start()
        yield ray_fleet.replicas
    finally:
        ray_fleet.stop()


def _end(number: int, frame: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
