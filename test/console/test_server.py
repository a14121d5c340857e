# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The console's process without a robot: who is let in, what is too much, how it ends."""

from __future__ import annotations

import contextlib
import re
import resource
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("nicegui")
pytest.importorskip("molmoact_ros.msg")

from websockets.exceptions import ConnectionClosed, InvalidStatus  # noqa: E402
from websockets.sync.client import ClientConnection, connect  # noqa: E402

from molmoact_ros.console.access import MAX_SOCKETS  # noqa: E402

from .conftest import PATIENCE, until  # noqa: E402

SOCKET = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"


def websocket(console: Any, **options: Any) -> ClientConnection:
    """Return an open websocket, as a page of the console opens it."""
    options.setdefault("origin", f"http://127.0.0.1:{console.port}")
    options.setdefault("open_timeout", PATIENCE)
    return connect(f"ws://127.0.0.1:{console.port}{SOCKET}", **options)


@pytest.fixture(scope="module")
def local(console: Callable[..., Any]) -> Any:
    """Start a console on the loopback address, without a token."""
    started = console(quick_picks="['reach the red block']")
    started.wait_until_it_answers()
    return started


@pytest.fixture(scope="module")
def guarded(console: Callable[..., Any]) -> Any:
    """Start a console on all addresses, with a token."""
    started = console(address="0.0.0.0")
    started.wait_until_it_answers()
    return started


def test_the_page_is_served(local: Any) -> None:
    response = local.get("/")
    assert response.status == 200
    assert "HALT" in response.body.decode() and "reach the red block" in response.body.decode()
    assert response.headers["x-frame-options"] == "DENY"


def test_foreign_hosts_and_origins_are_refused(local: Any) -> None:
    assert local.get("/", Host="evil.example").status == 403
    assert local.get("/", Origin="https://evil.example").status == 403
    assert local.get("/picture/0", Sec_Fetch_Site="cross-site").status == 403
    with websocket(local) as own:
        assert own.recv()
    for origin in ("https://evil.example", None):
        with pytest.raises(InvalidStatus), websocket(local, origin=origin):
            pass


def test_only_get_is_served(local: Any) -> None:
    with socket.create_connection(("127.0.0.1", local.port), PATIENCE) as raw:
        head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{local.port}\r\nContent-Length: 99999999"
        raw.sendall(f"{head}\r\n\r\n".encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 405")


def test_the_token_is_printed_once_and_opens(guarded: Any) -> None:
    until(lambda: "?token=" in guarded.output, "the token")
    assert "not encrypted" in guarded.output
    (token,) = re.findall(r"\?token=(\S+)", guarded.output)
    assert guarded.output.count(token) == 1
    response = guarded.get(f"/?token={token}")
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    value = cookie.partition(";")[0]
    assert "HALT" in guarded.get("/", Cookie=value).body.decode()
    with websocket(guarded, additional_headers={"Cookie": value}) as opened:
        assert opened.recv()


@pytest.mark.parametrize("path", ["/", "/?token=wrong", "/?token=", "/picture/0", "/%2e%2e/x"])
def test_without_the_token_nothing_is_served(guarded: Any, path: str) -> None:
    wrong = {"Cookie": f"molmoact_console_{guarded.port}=wrong"}
    for headers in ({}, wrong):
        response = guarded.get(path, **headers)
        assert response.status == 401
        assert "set-cookie" not in response.headers
        assert b"HALT" not in response.body
    with pytest.raises(InvalidStatus), websocket(guarded):
        pass


def test_a_message_that_is_too_large_ends_its_connection_only(local: Any) -> None:
    with websocket(local, max_size=None) as opened:
        opened.recv()
        with pytest.raises(ConnectionClosed):
            opened.send("4" + "x" * 2_000_000)
            while True:
                opened.recv(timeout=60)
    assert local.get("/").status == 200


def test_nonsense_in_a_websocket_does_not_end_the_console(local: Any) -> None:
    for text in ("4", "40", '42["event",{}]', '42["event",{"client_id":[],"id":{}}]', "\x00", "9"):
        with websocket(local) as opened:
            opened.recv()
            opened.send("40")
            opened.send(text)
    assert local.get("/").status == 200


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process open 200 sockets and more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 1024), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_200_connections_leave_the_console_usable(local: Any, many_files: None) -> None:
    with contextlib.ExitStack() as opened:
        for _ in range(100):
            opened.enter_context(socket.create_connection(("127.0.0.1", local.port), PATIENCE))
        accepted = 0
        for _ in range(100):
            with contextlib.suppress(InvalidStatus):
                opened.enter_context(websocket(local))
                accepted += 1
        assert 0 < accepted <= MAX_SOCKETS
        assert local.get("/").status == 200  # within PATIENCE
    assert local.process.poll() is None


def test_more_pages_than_anybody_opens_are_refused(local: Any) -> None:
    codes = [local.get("/").status for _ in range(60)]
    assert codes[-1] == 503
    assert set(codes) == {200, 503}


def test_a_port_that_is_taken_is_a_wrong_setting(console: Callable[..., Any], local: Any) -> None:
    second = console(port=local.port)
    assert second.process.wait(60) == 78
    second.end()  # all of its output has been read
    assert "another console or program" in second.output


@pytest.mark.parametrize(
    "parameters, named",
    [
        ({"address": "robot"}, "parameter 'address'"),
        pytest.param({"address": "192.0.2.1"}, "cannot be had", marks=pytest.mark.long),
        ({"executor": "'not a name'"}, "parameter 'executor'"),
        pytest.param(
            {"image_topics": "['//x']"}, "parameter 'image_topics'", marks=pytest.mark.long
        ),
        pytest.param({"colour": "red"}, "parameter 'colour' is unknown", marks=pytest.mark.long),
    ],
)
def test_wrong_settings_end_with_78(
    console: Callable[..., Any], parameters: dict[str, Any], named: str
) -> None:
    started = console(**parameters)
    assert started.process.wait(60) == 78
    started.end()
    assert named in started.output


def test_a_signal_ends_it_with_0(console: Callable[..., Any]) -> None:
    started = console()
    started.wait_until_it_answers()
    with websocket(started) as opened:
        opened.recv()
        assert started.end() == 0
    assert "Traceback" not in started.output
