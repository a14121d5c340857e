# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures for tests with real ROS: a domain of its own, a client, and nodes as processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from golden_files import GOLDEN
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]
PATIENCE = 60.0  # s; the machine may be busy

# What `--fast` leaves out; pyproject.toml explains the markers.
SLOW = ("graph", "process", "network", "long")
LEFT_OUT = pytest.StashKey[Counter[tuple[str, str]]]()


# The same examples in each run, however slow the machine is.
settings.register_profile(
    "steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--fast`."""
    words = f"leave out tests that are marked {', '.join(SLOW)}, and list what was left out"
    parser.addoption("--fast", action="store_true", help=words)


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests by what they start and load; with `--fast` keep the others."""
    left_out = config.stash.setdefault(LEFT_OUT, Counter())
    kept, dropped = [], []
    for item in items:
        if isinstance(item, pytest.Function):
            for marker in _markers(item):
                item.add_marker(marker)
        found = next((name for name in SLOW if item.get_closest_marker(name)), None)
        if found and config.getoption("--fast"):
            dropped.append(item)
            left_out[item.path.parent.relative_to(config.rootpath).as_posix(), found] += 1
        else:
            kept.append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """List what `--fast` has left out: a line per folder."""
    left_out = config.stash.get(LEFT_OUT, Counter())
    for folder in sorted({folder for folder, _ in left_out}):
        counts = [f"{left_out[folder, m]} {m}" for m in SLOW if left_out[folder, m]]
        terminalreporter.write_line(f"left out: {folder}: {', '.join(counts)}")


def _markers(item: pytest.Function) -> Iterator[str]:
    content = vars(item.module)
    if {"ros_environment", "new_domain"} & set(item.fixturenames):
        yield "graph"
    if "subprocess" in content or "multiprocessing" in content:
        yield "process"
    paths = [value for value in content.values() if isinstance(value, Path)]
    shipped = any(path.is_relative_to(ROOT / "checkpoints") for path in paths)
    if shipped or "default_checkpoint" in content:
        yield "network"


class Client:
    """A node inside the test."""

    def __init__(self, context: Any) -> None:
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node

        self.node = Node("test_client", context=context)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self._clients: dict[str, Any] = {}

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self.node.destroy_node()

    def spin(self, seconds: float = 0.05) -> None:
        """Take one message, or wait for one."""
        self._executor.spin_once(timeout_sec=seconds)

    def listen(self, kind: type, topic: str, qos: Any = 10) -> list[Any]:
        """Return a list that grows with the messages of a topic."""
        messages: list[Any] = []
        self.node.create_subscription(kind, topic, messages.append, qos)
        return messages

    def wait_for(
        self, ready: Callable[[], Any], what: str = "it", tick: Callable[[], None] | None = None
    ) -> Any:
        """Spin until ``ready()`` is true and return its value; call ``tick`` meanwhile."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if value := ready():
                return value
            if tick is not None:
                tick()
            self.spin()
        raise AssertionError(f"waited {PATIENCE} s for {what}")

    def call(self, kind: type, name: str, request: Any) -> Any:
        """Call a service and return its answer."""
        from molmoact_ros.ros.discovery import wait_until_known

        client = self._clients.get(name)
        if client is None or not client.service_is_ready():
            client = self._clients.setdefault(name, client or self.node.create_client(kind, name))
            self.wait_for(client.service_is_ready, f"service {name}")
            wait_until_known(
                self.node, name.rpartition("/")[0], lambda what, ready: self.wait_for(ready, what)
            )
        future = client.call_async(request)
        self.wait_for(future.done, f"the answer of {name}")
        return future.result()

    def stamp(self, offset: float = 0.0) -> Any:
        """Return now, plus an offset in s, as a message."""
        from molmoact_ros.ros.conversions import clock_seconds, time_message

        return time_message(clock_seconds(self.node) + offset)


@pytest.fixture(autouse=True)
def _ordinary_priority() -> Iterator[None]:
    """Undo the real-time priority of an executor in a test; later processes would inherit it."""
    yield
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.fixture(scope="session")
def golden() -> Path:
    """Folder of the golden data."""
    return GOLDEN


@pytest.fixture(scope="session")
def declaring() -> Callable[[int, int], bytes]:
    """Return a function that makes a JPEG of some 600 bytes that declares another size."""
    import cv2
    import numpy as np

    _, encoded = cv2.imencode(".jpg", np.full((16, 16, 3), 128, np.uint8))
    jpeg = encoded.tobytes()
    place = jpeg.index(b"\xff\xc0") + 5  # of the frame header: height, then width

    def declare(width: int, height: int) -> bytes:
        size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
        return jpeg[:place] + size + jpeg[place + 4 :]

    return declare


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Return the files of a certificate for localhost and of its key."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key),
         "-out", str(certificate)], check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


@pytest.fixture(scope="module")
def new_domain() -> Iterator[Callable[[], int]]:
    """Return a function that reserves a DDS domain that no other test or test run uses."""
    from molmoact_ros.demo.domains import reserve_domain

    reserved = []

    def reserve() -> int:
        reserved.append(reserve_domain())
        return int(reserved[-1].number)

    yield reserve
    for domain in reserved:
        domain.release()


@pytest.fixture(scope="module")
def ros_environment() -> Iterator[dict[str, str]]:
    """Return settings of a graph that no other test, test run or user sees."""
    from molmoact_ros.demo.domains import reserve_domain
    from molmoact_ros.demo.processes import private_environment

    patch = pytest.MonkeyPatch()
    patch.setenv("AMENT_PREFIX_PATH", os.environ.get("AMENT_PREFIX_PATH") or sys.prefix)
    domain = reserve_domain()
    environment = private_environment(domain.number)
    for name, value in environment.items():
        patch.setenv(name, value)
    yield environment
    patch.undo()
    domain.release()


@pytest.fixture(scope="module")
def new_client(ros_environment: dict[str, str]) -> Iterator[Callable[[], Client]]:
    """Return a function that makes a client with a DDS participant of its own."""
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    made = []

    def make() -> Client:
        context = rclpy.Context()
        rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
        made.append((Client(context), context))
        return made[-1][0]

    yield make
    for client, context in made:
        client.close()
        context.try_shutdown()


@pytest.fixture(scope="module")
def client(new_client: Callable[[], Client]) -> Client:
    return new_client()


@pytest.fixture(scope="module")
def start(ros_environment: dict[str, str], tmp_path_factory: Any) -> Iterator[Callable]:
    """Return a function that starts installed nodes; they end with the module."""
    from molmoact_ros.demo.processes import NodeProcesses

    running = []

    def start_nodes(*specs: Any) -> Any:
        nodes = NodeProcesses(specs, tmp_path_factory.mktemp("logs"))
        nodes.__enter__()
        running.append(nodes)
        return nodes

    yield start_nodes
    for nodes in running:
        nodes.__exit__(None, None, None)
