# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The robot's end of the line, where the other end stops reading: with and without TLS."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("msgpack")
pytest.importorskip("websockets")

from test_wire import welcome
from websockets.sync.server import ServerConnection, serve

from molmoact_ros.faults import RemotePolicyError
from molmoact_ros.policy.types import Observation
from molmoact_ros.remote.address import ServerAddress
from molmoact_ros.remote.codec import encode
from molmoact_ros.remote.exchange import infer_message
from molmoact_ros.remote.line import Line
from molmoact_ros.remote.policy import RobotSide
from molmoact_ros.serve.access import tls_context

LARGE = np.zeros((2000, 2000, 3), np.uint8)  # more than the buffers of both sockets take


@contextlib.contextmanager
def stalled(tls: ssl.SSLContext | None) -> Iterator[int]:
    """Welcome robots and read nothing after their hello; give the port."""
    end = threading.Event()

    def handle(socket: ServerConnection) -> None:
        socket.recv()
        socket.send(encode(welcome()))
        end.wait()

    server = serve(handle, "127.0.0.1", 0, ssl=tls, max_size=None, close_timeout=0.1)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.socket.getsockname()[1]
    finally:
        end.set()
        server.shutdown()
        thread.join()


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_server_that_takes_nothing_more_is_given_up(
    scheme: str, certificate: tuple[Path, Path]
) -> None:
    """Whoever sends is not held: neither the one that asks nor the thread of the line."""
    server = stalled(tls_context(*certificate) if scheme == "wss" else None)
    with server as port:
        ca = certificate[0] if scheme == "wss" else None
        address = ServerAddress(f"{scheme}://localhost:{port}", "", ca)
        line = Line(address, RobotSide("arm").hello(""), lambda welcome: "")
        line.start()
        assert line.wait(60.0).welcome
        raised = threading.Event()

        def ask() -> None:
            with pytest.raises(RemotePolicyError):
                for sequence in range(1000):
                    seen = Observation({"camera": LARGE}, "go")
                    line.ask(infer_message(sequence, seen, jpeg=False))
            raised.set()

        threading.Thread(target=ask, daemon=True).start()
        assert raised.wait(60.0)
        closing = threading.Thread(target=line.close, daemon=True)
        closing.start()
        closing.join(60.0)
        assert not closing.is_alive()
